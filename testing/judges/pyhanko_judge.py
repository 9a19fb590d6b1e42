"""Judges PDF files with pyHanko and prints one line of JSON for each, in the order given.

    python3 pyhanko_judge.py [--trust ANCHORS.pem]... [--crl LIST.der]... [--at TIME] FILE.pdf...

Nothing is fetched. Without anchors only integrity and later changes are of interest; a chain is then not trusted.
"""
import argparse
import json
import logging
from datetime import datetime

from pyhanko.keys import load_certs_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import SuspiciousModification
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko_certvalidator import ValidationContext

parser = argparse.ArgumentParser()
parser.add_argument("--trust", action="append", default=[])
parser.add_argument("--crl", action="append", default=[])
parser.add_argument("--at", type=datetime.fromisoformat)
parser.add_argument("files", nargs="+")
options = parser.parse_args()
# Messages about odd files belong into the verdict, not on standard error.
logging.disable(logging.CRITICAL)

anchors = list(load_certs_from_pemder(options.trust))
crls = [open(path, "rb").read() for path in options.crl]


def settings():
    return {
        "trust_roots": anchors,
        "crls": crls,
        "moment": options.at,
        "allow_fetching": False,
        "revocation_mode": "soft-fail",
    }


def fault(error):
    return f"{type(error).__name__}: {error}"


def of_signature(signature):
    facts = {"field": signature.field_name}
    try:
        # Two contexts, as one remembers what it has seen.
        status = validate_pdf_signature(
            signature, ValidationContext(**settings()), ValidationContext(**settings())
        )
    except Exception as error:  # any answer but a verdict is part of the comparison
        facts["error"] = fault(error)
        return facts
    stamp = status.timestamp_validity
    facts.update(
        intact=status.intact,
        valid=status.valid,
        trusted=status.trusted,
        good=status.bottom_line,
        docmdpOk=status.docmdp_ok,
        timestamped=stamp is not None and stamp.valid and stamp.intact,
        timestampTrusted=stamp is not None and stamp.valid and stamp.intact and stamp.trusted,
        **of_changes(status),
    )
    return facts


def of_timestamp(signature):
    facts = {"field": signature.field_name}
    try:
        status = validate_pdf_timestamp(signature, ValidationContext(**settings()))
    except Exception as error:
        facts["error"] = fault(error)
        return facts
    facts.update(
        intact=status.intact,
        valid=status.valid,
        trusted=status.trusted,
        time=status.timestamp.isoformat(),
        **of_changes(status),
    )
    return facts


def of_changes(status):
    # pyHanko says nothing of later changes where the digest already fails.
    diff = status.diff_result
    suspicious = isinstance(diff, SuspiciousModification)
    level = status.modification_level
    return {
        "coverage": status.coverage.name if status.coverage else None,
        "changes": level.name if level else None,
        "suspicious": str(diff) if suspicious else None,
    }


def judge(path):
    line = {"file": path, "signatures": [], "documentTimestamps": []}
    try:
        with open(path, "rb") as file:
            reader = PdfFileReader(file, strict=False)
            for signature in reader.embedded_regular_signatures:
                line["signatures"].append(of_signature(signature))
            for signature in reader.embedded_timestamp_signatures:
                line["documentTimestamps"].append(of_timestamp(signature))
    except Exception as error:
        line["error"] = fault(error)
    return line


for name in options.files:
    print(json.dumps(judge(name), ensure_ascii=False), flush=True)
