// Checks published files with libraries that others wrote: OpenZeppelin's tree and ethers. Prints what they found.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const [modules, folder, proofFile] = process.argv.slice(2);
const require = createRequire(path.join(modules, "index.js"));
const { StandardMerkleTree } = require("@openzeppelin/merkle-tree");
const { ethers } = require("ethers");
const read = (file) => JSON.parse(fs.readFileSync(file, "utf-8"));

const dump = read(path.join(folder, "merkle.json"));
const tree = StandardMerkleTree.load(dump);
tree.validate();
const verified = [];
for (const [i, value] of tree.entries()) {
  verified.push(StandardMerkleTree.verify(tree.root, dump.leafEncoding, value, tree.getProof(i)));
}

const attestation = read(path.join(folder, "nav_attestation.json"));
const { EIP712Domain, ...types } = attestation.typed_data.types;
const { domain, message } = attestation.typed_data;

const proof = read(proofFile);
const sorted = Object.fromEntries(Object.keys(proof.record).sort().map((key) => [key, proof.record[key]]));
const bytes = ethers.concat([proof.salt, ethers.toUtf8Bytes(JSON.stringify(sorted))]);
const key = [proof.record.plantation_id, proof.record.right_id, proof.record.as_of].join("|");

console.log(JSON.stringify({
  root: tree.root,
  proofs: verified,
  digest: ethers.TypedDataEncoder.hash(domain, types, message),
  signers: attestation.signatures.map((s) => ethers.verifyTypedData(domain, types, message, s.signature)),
  record: ethers.keccak256(bytes),
  key: ethers.keccak256(ethers.toUtf8Bytes(key)),
  proof: StandardMerkleTree.verify(proof.root, proof.leafEncoding, proof.leaf, proof.proof),
  rebuilt: StandardMerkleTree.of(dump.values.map((v) => v.value), dump.leafEncoding).root,
}));
