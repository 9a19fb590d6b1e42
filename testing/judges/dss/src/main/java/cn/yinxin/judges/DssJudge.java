package cn.yinxin.judges;

import eu.europa.esig.dss.detailedreport.DetailedReport;
import eu.europa.esig.dss.diagnostic.DiagnosticData;
import eu.europa.esig.dss.diagnostic.PDFRevisionWrapper;
import eu.europa.esig.dss.diagnostic.SignatureWrapper;
import eu.europa.esig.dss.diagnostic.TimestampWrapper;
import eu.europa.esig.dss.diagnostic.jaxb.XmlObjectModification;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Validates PDF files with EU DSS and prints one line of JSON for each, in the order given.
 *
 * <pre>DssJudge [--trust ANCHORS.pem]… [--crl LIST.der]… [--at 2026-11-24T10:00:00Z] FILE.pdf…</pre>
 *
 * Nothing is fetched from the network; the validation policy is the one DSS ships.
 */
public final class DssJudge {
    private DssJudge() {
    }

    public static void main(String[] args) throws Exception {
        CommonTrustedCertificateSource anchors = new CommonTrustedCertificateSource();
        List<String> crls = new ArrayList<>();
        List<File> files = new ArrayList<>();
        Date at = null;
        for (int i = 0; i < args.length; i++) {
            switch (args[i]) {
                case "--trust" -> readAnchors(Path.of(args[++i]), anchors);
                case "--crl" -> crls.add(args[++i]);
                case "--at" -> at = Date.from(Instant.parse(args[++i]));
                default -> files.add(new File(args[i]));
            }
        }
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (File file : files) {
            out.println(Json.of(judge(file, anchors, crls, at)));
        }
    }

    private static void readAnchors(Path path, CommonTrustedCertificateSource anchors) throws Exception {
        byte[] pem = Files.readAllBytes(path);
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        for (Object one : factory.generateCertificates(new ByteArrayInputStream(pem))) {
            anchors.addCertificate(new CertificateToken((X509Certificate) one));
        }
    }

    private static Map<String, Object> judge(
            File file, CommonTrustedCertificateSource anchors, List<String> crls, Date at) throws Exception {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("file", file.getPath());
        try {
            CommonCertificateVerifier verifier = new CommonCertificateVerifier();
            verifier.setAIASource(null);
            verifier.setTrustedCertSources(anchors);
            if (!crls.isEmpty()) {
                List<byte[]> lists = new ArrayList<>();
                for (String crl : crls) {
                    lists.add(Files.readAllBytes(Path.of(crl)));
                }
                verifier.setCrlSource(new ExternalResourcesCRLSource(
                        lists.stream().map(ByteArrayInputStream::new).toArray(ByteArrayInputStream[]::new)));
            }
            SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(file));
            validator.setCertificateVerifier(verifier);
            if (at != null) {
                validator.setValidationTime(at);
            }
            report(validator.validateDocument(), line);
        } catch (Exception | StackOverflowError | OutOfMemoryError fault) {
            line.put("error", fault.getClass().getSimpleName() + ": " + fault.getMessage());
        }
        return line;
    }

    private static void report(Reports reports, Map<String, Object> line) {
        SimpleReport simple = reports.getSimpleReport();
        DetailedReport detailed = reports.getDetailedReport();
        DiagnosticData facts = reports.getDiagnosticData();
        List<Object> signatures = new ArrayList<>();
        for (SignatureWrapper signature : facts.getSignatures()) {
            String id = signature.getId();
            Map<String, Object> found = new LinkedHashMap<>();
            found.put("signedBy", simple.getSignedBy(id));
            found.put("level", text(simple.getSignatureFormat(id)));
            found.put("indication", text(simple.getIndication(id)));
            found.put("subIndication", text(simple.getSubIndication(id)));
            found.put("dataIntact", dataIntact(signature));
            found.put("signatureIntact", signature.isSignatureIntact());
            found.put("errors", messages(simple.getAdESValidationErrors(id)));
            found.put("revision", revision(signature.getPDFRevision()));
            List<Object> timestamps = new ArrayList<>();
            for (TimestampWrapper timestamp : signature.getTimestampList()) {
                timestamps.add(timestamp(timestamp, detailed));
            }
            found.put("timestamps", timestamps);
            signatures.add(found);
        }
        line.put("signatures", signatures);
        List<Object> timestamps = new ArrayList<>();
        for (TimestampWrapper timestamp : facts.getTimestampList()) {
            if (timestamp.getType().isDocumentTimestamp()) {
                timestamps.add(timestamp(timestamp, detailed));
            }
        }
        line.put("documentTimestamps", timestamps);
    }

    private static boolean dataIntact(SignatureWrapper signature) {
        return signature.getDigestMatchers().stream().allMatch(one -> one.isDataFound() && one.isDataIntact());
    }

    private static Map<String, Object> timestamp(TimestampWrapper timestamp, DetailedReport detailed) {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("type", timestamp.getType().name());
        found.put("time", timestamp.getProductionTime().toInstant().toString());
        found.put("intact", timestamp.isMessageImprintDataIntact() && timestamp.isSignatureIntact());
        found.put("indication", text(detailed.getBasicTimestampValidationIndication(timestamp.getId())));
        found.put("subIndication", text(detailed.getBasicTimestampValidationSubIndication(timestamp.getId())));
        found.put("revision", revision(timestamp.getPDFRevision()));
        return found;
    }

    /** What DSS says of the byte range and of later revisions; null where there is no PDF revision. */
    private static Map<String, Object> revision(PDFRevisionWrapper revision) {
        if (revision == null) {
            return null;
        }
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("fields", revision.getSignatureFieldNames());
        found.put("byteRange", revision.getSignatureByteRange());
        found.put("byteRangeValid", revision.isSignatureByteRangeValid());
        found.put("dictionaryConsistent", revision.isPdfSignatureDictionaryConsistent());
        found.put("modified", revision.arePdfModificationsDetected());
        found.put("extension", changes(revision.getPdfExtensionChanges()));
        found.put("signatureOrForm", changes(revision.getPdfSignatureOrFormFillChanges()));
        found.put("annotation", changes(revision.getPdfAnnotationChanges()));
        found.put("undefined", changes(revision.getPdfUndefinedChanges()));
        found.put("annotationOverlapPages", revision.getPdfAnnotationsOverlapConcernedPages());
        found.put("visualDifferencePages", revision.getPdfVisualDifferenceConcernedPages());
        found.put("pageDifferencePages", revision.getPdfPageDifferenceConcernedPages());
        return found;
    }

    private static List<String> changes(Collection<XmlObjectModification> modifications) {
        return modifications.stream().map(one -> one.getAction() + " " + one.getValue()).toList();
    }

    private static List<String> messages(List<Message> messages) {
        return messages.stream().map(one -> one.getKey() + ": " + one.getValue()).toList();
    }

    private static String text(Object value) {
        return value == null ? null : value.toString();
    }
}
