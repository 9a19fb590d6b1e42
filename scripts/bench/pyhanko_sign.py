"""Signs one file in memory again and again in one warm process, once for each line on standard input.

Arguments: FILE.pdf KEY.pem CERTIFICATE.pem OUT.pdf. Answers each line with the milliseconds of processor time the signature took; the
last signed file is written to OUT.pdf when the input ends.
"""

import io
import sys
import time

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers

path, key, certificate, out = sys.argv[1:]
with open(path, "rb") as file:
    data = file.read()
signer = signers.SimpleSigner.load(key, certificate)
metadata = signers.PdfSignatureMetadata(
    field_name="Signature1", md_algorithm="sha256", subfilter=fields.SigSeedSubFilter.PADES
)

signed = None
for _ in sys.stdin:
    # Processor time: on a busy machine the clock would count other programs against pyHanko.
    begin = time.process_time()
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    signed = signers.sign_pdf(writer, metadata, signer=signer, bytes_reserved=8192)
    elapsed = time.process_time() - begin
    print(elapsed * 1000, flush=True)
if signed is not None:
    with open(out, "wb") as file:
        file.write(signed.getbuffer())
