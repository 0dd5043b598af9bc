"""What of a text is not read for facts: other languages, and sentences that tell a reader or a model what to do."""

from __future__ import annotations

import re

Span = tuple[int, int]

#: frequent short words by language; ties and few words decide for none
_WORDS = {
    "English": "the of and to in is are was were for on at by from with that this it as be has have will which while "
    "after "
    "before than its an or not their last year million",
    "Indonesian or Malay": "yang dan di ke dari untuk pada dengan adalah akan oleh tahun ini itu juga telah sebesar "
    "ton juta "
    "harga dalam minyak sawit kelapa produksi ekspor kepada bagi tidak sudah pengeluaran eksport",
    "Spanish": "el la los las de que en un una por para con del se es al como más su lo fue producción aceite",
    "Portuguese": "o os as da do dos das em um uma por para com não que se foi mais na no produção óleo",
    "French": "le la les des de du et en un une pour dans par que est sur avec plus au aux production huile",
    "Dutch": "de het een van en in op voor met is dat die te zijn aan door naar als ook bij palmolie",
    "German": "der die das und ist von mit für auf den dem ein eine im zu des nicht sich auch als",
}
_BY_LANGUAGE = {name: frozenset(words.split()) for name, words in _WORDS.items()}
#: fewest words from which a language is told
_WORDS_MIN = 8
_OTHER_SCRIPT = re.compile(
    r"[\u0400-\u04ff\u0590-\u06ff\u0900-\u0dff\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
_MACHINES = (
    r"(?:extractors?|parsers?|models?|AIs?|LLMs?|bots?|chatbots?|machines?|crawlers?|scrapers?|algorithms?|assistants?"
    r"|(?:data|information|computer|automated|IT|extraction)\s+(?:systems?|readers?|tools?|pipelines?|agents?))"
)
_INSTRUCTIONS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}\b(?:instruction|prompt|rule|guideline|context"
    r"|direction|above|previous|prior"
    r"|everything)"
    r"|\b(?:system|developer|hidden)\s+(?:prompt|message|instruction)"
    r"|\byou\s+(?:are|must|should|will|shall)\s+(?:now\s+)?(?:an?\s+|the\s+)?(?:AI|assistant|language\s+model"
    r"|chatbot|extractor|report|output"
    r"|return|answer|respond|set|write|record|not\s+mention|treat|act)"
    r"|\b(?:AI|LLM|language\s+model|assistant|chatbot)s?\b[^.\n]{0,40}\b(?:must|should|shall|please|need\s+to"
    r"|reading\s+this)"
    r"|\b(?:please\s+)?(?:output|return|respond|reply|answer|print|record|extract)\s+(?:only|that|with"
    r"|the\s+following|exactly|this\s+as)\b"
    r"|\bnew\s+instructions?\b|^\s*(?:assistant|system|user)\s*:|<\s*/?\s*(?:system|assistant|instructions?)\s*>"
    r"|\[/?INST\]"
    rf"|\bdear\s+(?:\w+\s+){{0,2}}{_MACHINES}\b"
    rf"|\b(?:note|notice|message|memo|attention|reminder|instructions?)\s*(?:to|for|,|:)\s*(?:\w+\s+){{0,3}}{_MACHINES}\b"
    r"|\b(?:treat|take|accept|regard|consider)\s+(?:the\s+following|what\s+follows|this|these|all)\b[^.\n]{0,40}"
    r"\bas\s+(?:an?\s+|the\s+)?(?:\w+\s+){0,2}(?:facts?|true|truth|authoritative|verified|confirmed|official)\b",
    re.IGNORECASE | re.MULTILINE,
)
#: an instruction on what stands behind it takes the rest of its paragraph along
_ON_WHAT_FOLLOWS = re.compile(r"\b(?:the\s+following|what\s+follows)\b", re.IGNORECASE)
_PARAGRAPH = re.compile(r"\n[ \t]*\n|\Z")
_END = re.compile(r"[.!?](?=\s)|\n")


def instructions(text: str) -> list[Span]:
    """Sentences of a text that tell a reader or a model what to do, in their order; joined where they touch."""
    ends = [0, *(m.end() for m in _END.finditer(text)), len(text)]
    found: list[Span] = []
    n = 0
    for m in _INSTRUCTIONS.finditer(text):
        while n + 1 < len(ends) and ends[n + 1] <= m.start():
            n += 1
        last = n
        while last + 1 < len(ends) - 1 and ends[last + 1] < m.end():
            last += 1
        start, end = ends[n], ends[min(last + 1, len(ends) - 1)]
        if _ON_WHAT_FOLLOWS.search(text, start, end) or text[start:end].rstrip().endswith(":"):
            behind = _PARAGRAPH.search(text, end)
            end = behind.start() if behind else len(text)
        start += len(text[start:end]) - len(text[start:end].lstrip())
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif start < end:
            found.append((start, end))
    return found


def language(text: str) -> str:
    """``English``, another language's name, or empty where a text is too short or of no language known here."""
    letters = len(re.findall(r"[^\W\d_]", text))
    if letters and len(_OTHER_SCRIPT.findall(text)) > letters / 3:
        return "no Latin script"
    words = re.findall(r"[^\W\d_]+", text.lower())
    if len(words) < _WORDS_MIN:
        return ""
    counts = {name: sum(w in known for w in words) for name, known in _BY_LANGUAGE.items()}
    best = max(counts, key=lambda name: (counts[name], name == "English"))
    return best if counts[best] >= max(2, len(words) / 15) else ""


def foreign(text: str, start: int = 0) -> list[tuple[Span, str]]:
    """Paragraphs in another language than English, with its name; a paragraph too short to tell follows the others."""
    found = []
    for m in re.finditer(r"[^\n](?:.|\n(?!\s*\n))*", text[start:]):
        named = language(m[0])
        if named not in ("", "English"):
            found.append(((start + m.start(), start + m.end()), named))
    return found
