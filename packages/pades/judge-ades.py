"""pyHanko's AdES validation of every signature of a PDF: offline, revocation data required, one root trusted.

    python3 judge-ades.py FILE.pdf ROOT.pem [ISO time to judge at]

Prints for each signature whether it is good by what the file's security store holds (LT), and the result of the
process for archived signatures of EN 319 102-1 with the best signature time (LTA).
"""
import asyncio
import sys
from datetime import datetime, timedelta, timezone

from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import ades, async_validate_pdf_signature, policy_decl
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.errors import NoDSSFoundError
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy, FreshnessReqType
from pyhanko_certvalidator.registry import SimpleTrustManager


async def by_store(reader, signature, root):
    """Good by the store alone: no network, and no status unknown."""
    try:
        store = DocumentSecurityStore.read_dss(reader)
    except NoDSSFoundError:
        return "no store"
    context = store.as_validation_context(
        {"trust_roots": [load_cert_from_pemder(root)], "allow_fetching": False, "revocation_mode": "require"}
    )
    status = await async_validate_pdf_signature(signature, signer_validation_context=context)
    return "good" if status.bottom_line else "bad"


async def judge(path, root, at):
    certs = CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build(trust_roots=[load_cert_from_pemder(root)]),
        revinfo_policy=CertRevTrustPolicy(
            revocation_checking_policy=REQUIRE_REVINFO,
            freshness_req_type=FreshnessReqType.MAX_DIFF_REVOCATION_VALIDATION,
            freshness=timedelta(days=3650),
        ),
    )
    spec = policy_decl.SignatureValidationSpec(
        cert_validation_policy=certs,
        revinfo_gathering_policy=policy_decl.RevocationInfoGatheringSpec(
            online_fetching_rule=policy_decl.RevinfoOnlineFetchingRule.LOCAL_ONLY,
        ),
    )
    with open(path, "rb") as handle:
        reader = PdfFileReader(handle)
        for signature in reader.embedded_regular_signatures:
            print("LT", await by_store(reader, signature, root))
            timing = ValidationTimingInfo(validation_time=at, best_signature_time=at, point_in_time_validation=True)
            result = await ades.ades_lta_validation(
                signature, policy_decl.PdfSignatureValidationSpec(spec), timing_info=timing
            )
            status = result.api_status
            changes = getattr(status, "modification_level", None)
            print("LTA", result.ades_subindic, changes and changes.name, result.best_signature_time, result.failure_msg or "")


moment = datetime.fromisoformat(sys.argv[3]) if len(sys.argv) > 3 else datetime.now(timezone.utc)
asyncio.run(judge(sys.argv[1], sys.argv[2], moment))
