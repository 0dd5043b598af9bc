"""The sections ``attest`` and ``publish`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field as F
from pydantic import model_validator

from plantation_rwa.config_types import Section

# shorter than a key in hexadecimal, so that one written here by mistake is refused and not told as a name
EnvName = Annotated[str, F(pattern=r"^[A-Z_][A-Z0-9_]*$", max_length=60)]
Address = Annotated[str, F(pattern=r"^0x[0-9a-fA-F]{40}$")]
Role = Literal["valuer", "auditor", "oracle_operator"]


class SignerConfig(Section):
    """One who signs, by exactly one of: a key in the environment, a keystore file, a command."""

    role: Role = F(description="In which role.")
    env: EnvName | None = F(default=None, description="Name of the environment variable that holds the private key.")
    keystore: str | None = F(default=None, description="Web3 secret storage file, relative to the configuration file.")
    password_env: EnvName | None = F(
        default=None, description="Name of the environment variable that holds the keystore's password."
    )
    command: list[str] | None = F(
        default=None, min_length=1, description="Program and arguments: JSON on its input, signature on its output."
    )

    @model_validator(mode="after")
    def _one_way(self) -> SignerConfig:
        if sum(way is not None for way in (self.env, self.keystore, self.command)) != 1:
            raise ValueError("should name exactly one of env, keystore, command")
        if (self.keystore is None) != (self.password_env is None):
            raise ValueError("should name keystore and password_env together")
        return self


class AttestConfig(Section):
    """Attestation: what is signed, by whom; keys and secrets stay in the environment."""

    chain_id: int = F(default=1, ge=0, le=2**53 - 1, description="Chain that signatures are meant for (EIP-712).")
    status: Literal["indicative", "reviewed", "audited", "withdrawn"] = F(
        default="indicative", description="How far the values have been looked at."
    )
    methodology_uri: str = F(default="docs/method.md", description="Where the method is described.")
    breaker_reason: str = F(
        default="", description="Why a value moved beyond the circuit breaker; without it the status is indicative."
    )
    salt_env: EnvName = F(
        default="PLANTATION_RWA_SALT_SECRET",
        description="Name of the environment variable that holds the issuer's secret of the salts.",
    )
    overlay_signers: list[Address] = F(default=[], description="Addresses whose signature makes an overlay count.")
    signers: list[SignerConfig] = F(default=[], description="Who signs; none by default.")


InputName = Literal[
    "register", "blocks", "rights", "sponsors", "mills", "imagery", "climate_grid", "climate_daily", "climate_monthly",
    "climate_seasonal", "climate_index", "sensors", "harvest", "overlays", "futures", "prices", "fx", "rates", "fiscal",
    "reports",
]  # fmt: skip


class ProvenanceConfig(Section):
    """Where an input comes from and what may be done with it; the manifest repeats it."""

    origin: str = F(default="not stated", description="Who made the data, or where they were taken from.")
    licence: str = F(default="not stated", description="Licence or agreement they are used under.")
    classification: Literal["public", "commercial", "personal", "sensitive_location", "not_stated"] = F(
        default="not_stated", description="The most sensitive kind of content."
    )


class PublishConfig(Section):
    """Where results go, for whom, and what the manifest says of the inputs."""

    out: str = F(default="out", description="Output folder, relative to the configuration file.")
    profile: Literal["full", "investor", "public"] = F(
        default="full",
        description="Publication profile; the others leave columns out and keep the full results in <out>-full.",
    )
    provenance: dict[InputName, ProvenanceConfig] = F(
        default={}, description="Origin, licence and classification by input."
    )
