import { startFakeS3 } from '../../../../testing/fakes/s3.ts'
import { fakeBench } from '../../../../testing/s3/bench.ts'
import { domainSuite } from './domain-suite.ts'

domainSuite('bucket on a server with SHA-256 and conditional writes', () => fakeBench(startFakeS3()))
domainSuite('bucket with versions, listed three at a time', () =>
  fakeBench(startFakeS3({ pageSize: 3 }), { versioned: true }),
)
domainSuite('bucket on a server that knows MD5 only', () =>
  fakeBench(startFakeS3({ sha256: false, conditionalPut: false })),
)
domainSuite('bucket on a server that tells no hash, so that all is read back', () =>
  fakeBench(startFakeS3({ sha256: false, conditionalPut: false, md5Etags: false })),
)
