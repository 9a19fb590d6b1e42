"""Judges every signature of a PDF with pyHanko: python3 pyhanko_judge.py FILE.pdf ROOT.pem CRL...

Nothing is fetched; revocation is judged by the given lists alone, and a missing answer is a failure.
"""
import json
import sys

from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

pdf, root, *crls = sys.argv[1:]
context = {
    "trust_roots": [load_cert_from_pemder(root)],
    "crls": [open(path, "rb").read() for path in crls],
    "allow_fetching": False,
    "revocation_mode": "hard-fail",
}
verdicts = []
with open(pdf, "rb") as file:
    for signature in PdfFileReader(file).embedded_signatures:
        status = validate_pdf_signature(
            signature, ValidationContext(**context), ValidationContext(**context)
        )
        verdicts.append(
            {
                "good": status.bottom_line,
                "trusted": status.trusted,
                "coverage": status.coverage.name,
                "changes": status.modification_level.name,
                "timestamped": status.timestamp_validity is not None
                and status.timestamp_validity.valid
                and status.timestamp_validity.trusted,
                "signer": status.signing_cert.subject.native["common_name"],
            }
        )
print(json.dumps(verdicts, ensure_ascii=False))
