const filled =
  'Text fields were filled in after the signature (their /V and /AP changed together). All three permit it; pyHanko has one level, FORM_FILLING, for this and for further signatures, so its verdict cannot say so.'
const vri =
  'A later revision writes the validation data (/DSS) anew and leaves out or changes an entry of /VRI. pyHanko wants /VRI append-only. Validation data is no part of what was signed or shown; EU DSS and we report it as such (rule DSS), whatever it loses for long-term validation.'
const additional =
  'The trailer of the original (written by LibreOffice) has /AdditionalStreams naming an object that this file never had; pyHanko follows it, and either stops at the missing object or calls the later use of that number (object 49, the /DSS dictionary) a replacement. No reader shows anything of that key; EU DSS and we follow /Root and /Info only.'
const stampType =
  'The document timestamp lacks /Type /DocTimeStamp, which ISO 32000-2 Table 255 requires of it. EU DSS and we go by /SubFilter /ETSI.RFC3161 and verify the token; pyHanko takes it for an ordinary signature and knows no such SubFilter.'

/** Why a verdict of ours differs from that of pyHanko or EU DSS, by file name. */
export const explanations: Readonly<Record<string, string>> = {
  'DSS1376-rev_n-1.pdf': filled,
  'DSS1376-rev_n-2.pdf': filled,
  'DSS1376-rev_n-3.pdf': filled,
  'DSS1376-rev_n-4.pdf': filled,
  'Signature-P-FR_CS-5.pdf': vri,
  'Signature-P-HU_POL-7.pdf': vri,
  'pades-revoc-removed-from-dss-dict.pdf': vri,
  'Signature-P-LT-ef971596-8f2e-407d-a413-aae9cb9b8e4a.pdf': additional,
  'pades-ltv.pdf': additional,
  'pades-lt-extended-abde.pdf': additional,
  'pades-tst-with-null-type.pdf': stampType,
  'pades_with_orphan_ocsp_cert_refs.pdf': stampType,
  'Signature-P-SK-1 (HASH_FAILURE).pdf':
    'The six signed attributes of each CMS are not in the order DER demands of a SET (RFC 5652 §5.3). The signature value fits the attributes as they stand: OpenSSL, NSS, pyHanko and we verify those bytes; EU DSS sorts them first, and then the signature does not fit. Nothing signed differs, so this is a flaw of encoding, not a forgery.',
  'hide.pdf':
    'A shadow attack: the picture that hid the text (object 8) was removed after signing. We and EU DSS find it; pyHanko cannot read the file.',
  'replace.pdf':
    'A shadow attack: text field Text1 (object 26) got another appearance while its value /V stayed. pyHanko takes any new appearance for form filling; a field that shows something else than its value was not filled in, so it is a change for us, and an undefined change with a visual difference for EU DSS.',
  'pdf-spoofing-attack.pdf':
    'The signature of the first field was taken out of the form and its dictionary cloned into a new one, whose byte range names the other /Contents. We and EU DSS find it; pyHanko cannot read the file.',
  'pades-enveloping-empty-bytes-cms.pdf':
    'The CMS carries a content of its own (no bytes) instead of being detached; it is not the content of the byte range. We and EU DSS refuse it, pyHanko stops at a reference to a free object (21 65535 R in /StructTreeRoot).',
  'pades-level-b-sig-policy-invalid-digest-algo.pdf':
    'The signature policy attribute names sha256WithRSAEncryption as digest algorithm. The policy document is not there to be checked against it, and the signature does not depend on it: pyHanko and we verify the signature, EU DSS gives up the whole file.',
  'pdf-with-two-empty-sigs.pdf':
    'Two signature fields hold a dictionary whose /Contents is all zeros: prepared, never signed. EU DSS does not count them as signatures and pyHanko stops at them; we list them as unsigned fields.',
}
