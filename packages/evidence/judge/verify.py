#!/usr/bin/env python3
"""Independent check of an evidence package, written from SPEC.md with the standard library alone.

    verify.py PACKAGE.zip [--log-key VKEY_FILE]

Judges the archive, the manifest, the chain of events, the disclosures and the log (Merkle proofs and Ed25519
signatures). It does not judge PDF signatures, certificates and RFC 3161 tokens: pdfsig and openssl do.
Prints one JSON object {"ok": bool, "problems": [{"entry", "code"}]}; exit code 0 or 1.
"""
import base64
import hashlib
import json
import re
import struct
import sys
import zlib

PROBLEMS = []


def problem(entry, code):
    if {"entry": entry, "code": code} not in PROBLEMS:
        PROBLEMS.append({"entry": entry, "code": code})


def sha256(data):
    return hashlib.sha256(data).digest()


def sha256_hex(data):
    return hashlib.sha256(data).hexdigest()


# --- Ed25519 verification (RFC 8032 section 5.1) in extended coordinates ---------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def point_add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    w, x, y, z = f - e, h - g, h + g, f + e
    return (w * x % P, y * z % P, x * y % P, w * z % P)


def point_times(n, point):
    total = (0, 1, 1, 0)
    while n:
        if n & 1:
            total = point_add(total, point)
        point = point_add(point, point)
        n >>= 1
    return total


def same_point(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def decode_point(data):
    value = int.from_bytes(data, "little")
    sign, y = value >> 255, value & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else (0, y, 1, 0)
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = decode_point(bytes.fromhex("58" + "66" * 31))


def verify_ed25519(key, message, signature):
    if len(signature) != 64:
        return False
    a, r = decode_point(key), decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    return same_point(point_times(s, BASE), point_add(r, point_times(k, a)))


# --- Canonical JSON (RFC 8785, integers only) ------------------------------------------------------------------

SHORT = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def canonical(value):
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) <= 2**53 - 1:
        return str(value)
    if isinstance(value, str):
        value.encode("utf-8")  # refuses lone surrogates
        escaped = (SHORT.get(ord(c)) or ("\\u%04x" % ord(c) if ord(c) < 32 else c) for c in value)
        return '"' + "".join(escaped) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(canonical(key) + ":" + canonical(value[key]) for key in keys) + "}"
    raise ValueError("not in the JSON subset")


def parse_canonical(data):
    value = json.loads(data.decode("utf-8"))
    if canonical(value).encode("utf-8") != data:
        raise ValueError("not canonical")
    return value


# --- ZIP: the one form of SPEC.md section 2 --------------------------------------------------------------------


def common_fields(crc, size, name):
    return struct.pack("<HHHHHIIIHH", 20, 0x800, 0, 0, 0x21, crc, size, size, len(name), 0)


def read_zip(data):
    """Names and contents in order; the framing is re-encoded and compared."""
    entries, at = [], 0
    while data[at : at + 4] == b"PK\x03\x04":
        if at + 30 > len(data):
            raise ValueError("cut off")
        crc, size, name_length = struct.unpack_from("<I", data, at + 14)[0], *struct.unpack_from("<I4xH", data, at + 18)
        name = data[at + 30 : at + 30 + name_length]
        header = b"PK\x03\x04" + common_fields(crc, size, name) + name
        start = at + len(header)
        content = data[start : start + size]
        if data[at:start] != header or len(content) != size:
            raise ValueError("header of entry %d" % len(entries))
        if zlib.crc32(content) != crc:
            problem(name.decode("utf-8", "replace"), "content_damaged")
        entries.append((name.decode("utf-8"), crc, content, at))
        at = start + size
    directory = b"".join(
        b"PK\x01\x02" + struct.pack("<H", 20) + common_fields(crc, len(content), name.encode())
        + struct.pack("<HHHII", 0, 0, 0, 0, offset) + name.encode()
        for name, crc, content, offset in entries
    )
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, len(entries), len(entries), len(directory), at, 0)
    if data[at:] != directory + end:
        raise ValueError("directory")
    names = [name for name, *_ in entries]
    if len(set(name.lower() for name in names)) != len(names):
        raise ValueError("double name")
    return names, {name: content for name, _, content, _ in entries}


# --- Merkle tree (RFC 6962, verification of RFC 9162) ----------------------------------------------------------


def leaf_hash(entry):
    return sha256(b"\0" + entry)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


def walk(fn, sn, first, proof):
    """Both roots a path leads to: the one of the old tree (left turns only) and the one of the new."""
    old = new = first
    for sibling in proof:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, sibling)
        fn, sn = fn >> 1, sn >> 1
    return (old, new) if sn == 0 else None


def verify_inclusion(leaf, index, size, root, proof):
    if index >= size:
        return False
    roots = walk(index, size - 1, leaf, proof)
    return roots is not None and roots[1] == root


def verify_consistency(old_size, size, old_root, root, proof):
    if old_size > size or old_size == 0:
        return False
    if old_size == size:
        return not proof and old_root == root
    path = list(proof) if old_size & (old_size - 1) else [old_root] + list(proof)
    if not path:
        return False
    fn, sn = old_size - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return walk(fn, sn, path[0], path[1:]) == (old_root, root)


# --- Signed notes, checkpoints, log proofs (C2SP) --------------------------------------------------------------


def unbase64(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 is not canonical")
    return data


def unhex(text):
    if not re.fullmatch(r"([0-9a-f]{2})*", text):
        raise ValueError("hex is not canonical")
    return bytes.fromhex(text)


def parse_vkey(line):
    name, key_id, encoded = line.split("+", 2)
    data = unbase64(encoded)
    if len(data) != 33 or data[0] not in (1, 4):
        raise ValueError("key type")
    if sha256(name.encode() + b"\n" + data)[:4].hex() != key_id:
        raise ValueError("key id")
    return (name, key_id, data[0], data[1:])


def open_checkpoint(text, keys, allow_unknown):
    """(origin, size, root) of a checkpoint signed by its log; ValueError for everything else."""
    cut = text.rindex("\n\n")
    body, tail = text[: cut + 1], text[cut + 2 :]
    if not text.endswith("\n") or re.search("[\x00-\x09\x0b-\x1f]", text):
        raise ValueError("note")
    good = set()
    for line in tail[:-1].split("\n"):
        match = re.fullmatch(r"— (\S+) (\S+)", line)
        data = unbase64(match.group(2))
        name, key_id, signature = match.group(1), data[:4].hex(), data[4:]
        known = [key for key in keys if key[0] == name and key[1] == key_id]
        if not known:
            if not allow_unknown:
                raise ValueError("unknown signature line")
            continue
        _, _, kind, key = known[0]
        message = body
        if kind == 4:
            message = "cosignature/v1\ntime %d\n%s" % (int.from_bytes(signature[:8], "big"), body)
            signature = signature[8:]
        if not verify_ed25519(key, message.encode(), signature):
            raise ValueError("signature of " + name)
        good.add((name, key_id, kind))
    lines = body[:-1].split("\n")
    origin, size, root = lines[0], lines[1], unbase64(lines[2])
    if "" in lines or not re.fullmatch(r"0|[1-9][0-9]*", size) or len(root) != 32:
        raise ValueError("body")
    if not any(name == origin and kind == 1 for name, _, kind in good):
        raise ValueError("not signed by its log")
    missing = [key for key in keys if key[2] == 4 and key[:3] not in good]
    if allow_unknown and missing:
        raise ValueError("witness missing")
    return origin, int(size), root


def parse_proof(text):
    """(extra, index, hashes, checkpoint) of a tlog-proof."""
    head, checkpoint = text.split("\n\n", 1)
    lines = head.split("\n")
    if lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise ValueError("header")
    extra = unbase64(lines.pop(0)[6:]) if lines[0].startswith("extra ") else None
    index = re.fullmatch(r"index (0|[1-9][0-9]*)", lines.pop(0)).group(1)
    hashes = [unbase64(line) for line in lines]
    if any(len(one) != 32 for one in hashes):
        raise ValueError("hash")
    return extra, int(index), hashes, checkpoint


# --- The package -----------------------------------------------------------------------------------------------


ROLES = {
    "certificate": r"certificates/[0-9a-f]{64}\.pem",
    "checkpoint": "checkpoint",
    "crl": r"crl/[0-9a-f]{64}\.crl",
    "disclosures": r"disclosures\.json",
    "document": r"documents/[1-9][0-9]*-[^/]+",
    "events": r"events\.jsonl",
    "proof": r"proofs/(0|[1-9][0-9]*)\.tlog-proof",
    "readme": r"README\.txt",
    "timestamp": r"timestamps/checkpoint\.tsr",
}
INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z"
HASH = r"[0-9a-f]{64}"


def members(value, *names):
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        raise ValueError("members")


def matches(pattern, value):
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ValueError("form")


def count(value):
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("count")


def read_manifest(data):
    """The manifest in the form of SPEC.md section 3, or an error."""
    manifest = parse_canonical(data)
    title = ("title",) if "title" in manifest else ()
    members(manifest, "createdAt", "documents", "entries", "environment", "events", "format", "log", "taskId", "trust", "v", *title)
    if manifest["format"] != "yinxin-evidence" or manifest["v"] is True or manifest["v"] != 1:
        raise ValueError("format")
    for name in ("taskId",) + title:
        matches("(?s).+", manifest[name])
    matches(INSTANT, manifest["createdAt"])
    members(manifest["events"], "count", "lastHash")
    count(manifest["events"]["count"])
    matches(HASH, manifest["events"]["lastHash"])
    members(manifest["log"], "keys", "origin")
    members(manifest["trust"], "anchors")
    for anchor in manifest["trust"]["anchors"]:
        matches(HASH, anchor)
    if not isinstance(manifest["environment"], dict):
        raise ValueError("environment")
    for entry in manifest["entries"]:
        members(entry, "path", "role", "sha256", "sizeBytes")
        matches(ROLES[entry["role"]], entry["path"])
    for document in manifest["documents"]:
        members(document, "documentId", "name", "path", "sha256", "sizeBytes")
        matches("(?s).+", document["documentId"])
        matches("(?s).+", document["name"])
    for one in manifest["entries"] + manifest["documents"]:
        matches(HASH, one["sha256"])
        count(one["sizeBytes"])
    paths = [entry["path"].encode("utf-16-be") for entry in manifest["entries"]]
    facts = lambda one: (one["path"], one["sha256"], one["sizeBytes"])
    told = sorted(map(facts, manifest["documents"]))
    held = sorted(facts(entry) for entry in manifest["entries"] if entry["role"] == "document")
    single = ["README.txt", "checkpoint", "disclosures.json", "events.jsonl", "timestamps/checkpoint.tsr"]
    if any(name.encode("utf-16-be") not in paths for name in single):
        raise ValueError("entry of a single role")
    ids = [document["documentId"] for document in manifest["documents"]]
    if paths != sorted(set(paths)) or told != held or len(set(ids)) != len(ids):
        raise ValueError("tables")
    return manifest


def check_events(files, manifest):
    events, previous = [], "0" * 64
    try:
        data = files["events.jsonl"]
        if not data.endswith(b"\n"):
            raise ValueError("end")
        for seq, line in enumerate(data[:-1].split(b"\n")):
            event = parse_canonical(line)
            members = sorted(event) == ["actor", "at", "data", "prevHash", "seq", "taskId", "type", "v"]
            linked = event["prevHash"] == previous and event["seq"] == seq and event["v"] == 1
            timely = not events or event["at"] >= parse_canonical(events[-1])["at"]
            if not (members and linked and timely and event["taskId"] == manifest["taskId"]):
                raise ValueError("link")
            events.append(line)
            previous = sha256_hex(line)
        if manifest["events"] != {"count": len(events), "lastHash": previous}:
            raise ValueError("end of chain")
    except (ValueError, KeyError, TypeError, AttributeError):
        problem("events.jsonl", "chain_broken")
    return events


def check_disclosures(files, events):
    try:
        for one in parse_canonical(files["disclosures.json"]):
            value = parse_canonical(events[one["seq"]])
            for part in one["path"].split("/")[1:]:
                part = part.replace("~1", "/").replace("~0", "~")
                value = value[int(part)] if isinstance(value, list) else value[part]
            salt = unhex(one["salt"])
            commitment = sha256_hex(salt + b"\0" + one["value"].encode("utf-8"))
            if len(salt) < 16 or not one["path"].endswith("Commit") or value != commitment:
                raise ValueError("commitment")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        problem("disclosures.json", "disclosure_invalid")


def check_log(files, manifest, events, anchors):
    try:
        own = [parse_vkey(line) for line in manifest["log"]["keys"]]
        text = files["checkpoint"].decode("utf-8")
        origin, size, root = open_checkpoint(text, own, False)
        if origin != manifest["log"]["origin"]:
            raise ValueError("origin")
    except (ValueError, KeyError, AttributeError, UnicodeDecodeError):
        problem("checkpoint", "checkpoint_invalid")
        return
    for seq, line in enumerate(events):
        path = "proofs/%d.tlog-proof" % seq
        try:
            extra, index, hashes, checkpoint = parse_proof(files[path].decode("utf-8"))
            if extra is not None or checkpoint != text:
                raise ValueError("other checkpoint")
            if not verify_inclusion(leaf_hash(line), index, size, root, hashes):
                raise ValueError("path")
        except (ValueError, KeyError, AttributeError):
            problem(path, "proof_invalid")
    path = "manifest.tlog-proof"
    try:
        extra, index, hashes, checkpoint = parse_proof(files[path].decode("utf-8"))
        record = parse_canonical(extra)
        leaf = record["leaf"]
        expected = {
            "v": 1,
            "type": "evidence.issued",
            "taskId": manifest["taskId"],
            "at": manifest["createdAt"],
            "events": manifest["events"],
            "manifestSha256": sha256_hex(files["manifest.json"]),
        }
        if leaf != expected or sorted(record) != ["consistency", "leaf"]:
            raise ValueError("leaf")
        origin, later_size, later_root = open_checkpoint(checkpoint, own, False)
        consistency = [unhex(one) for one in record["consistency"]]
        entry = canonical(leaf).encode("utf-8")
        if origin != manifest["log"]["origin"] or index < size:
            raise ValueError("place")
        if not verify_inclusion(leaf_hash(entry), index, later_size, later_root, hashes):
            raise ValueError("path")
        if not verify_consistency(size, later_size, root, later_root, consistency):
            raise ValueError("history")
    except (ValueError, KeyError, TypeError, AttributeError):
        problem(path, "manifest_not_logged")
        return
    for entry, note in (("checkpoint", text), (path, checkpoint)):
        try:
            if anchors:
                open_checkpoint(note, anchors, True)
        except (ValueError, AttributeError):
            problem(entry, "log_key_unknown")


def check_package(data, anchors):
    try:
        names, files = read_zip(data)
    except (ValueError, struct.error):
        problem("(archive)", "not_a_package")
        return
    try:
        manifest = read_manifest(files["manifest.json"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        problem("manifest.json", "manifest_invalid")
        return
    listed = manifest["entries"]
    expected = ["manifest.json", "manifest.tlog-proof"] + [entry["path"] for entry in listed]
    for name in expected:
        if name not in files:
            problem(name, "entry_missing")
    for name in names:
        if name not in expected:
            problem(name, "entry_added")
    if sorted(names) == sorted(expected) and names != expected:
        problem("(archive)", "entry_order")
    for entry in listed:
        content = files.get(entry["path"])
        if content is None:
            continue
        if len(content) != entry["sizeBytes"] or sha256_hex(content) != entry["sha256"]:
            problem(entry["path"], "entry_changed")
    events = check_events(files, manifest)
    check_disclosures(files, events)
    check_log(files, manifest, events, anchors)


def main(arguments):
    anchors = []
    if "--log-key" in arguments:
        at = arguments.index("--log-key")
        with open(arguments[at + 1], encoding="utf-8") as file:
            lines = [line.strip() for line in file]
        anchors = [parse_vkey(line) for line in lines if line and not line.startswith("#")]
        arguments = arguments[:at] + arguments[at + 2 :]
    for path in arguments:
        PROBLEMS.clear()
        with open(path, "rb") as file:
            check_package(file.read(), anchors)
        print(json.dumps({"ok": not PROBLEMS, "problems": PROBLEMS}, ensure_ascii=False), flush=True)
    return 1 if PROBLEMS else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    sys.exit(main(sys.argv[1:]))
