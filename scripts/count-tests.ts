// Prints "PASSED FAILED" from a Vitest JSON report. A run that broke before it could report, or that
// exited non-zero without a failed test (an unhandled error, a file that did not load), counts as a failure.
import { readFileSync } from 'node:fs'

const [reportPath = '', exitCode = '1'] = process.argv.slice(2)

interface Report {
  numPassedTests: number
  numFailedTests: number
  testResults: { status: string; assertionResults: unknown[] }[]
}

let passed = 0
let failed = 0
try {
  const report = JSON.parse(readFileSync(reportPath, 'utf8')) as Report
  passed = report.numPassedTests
  failed = report.numFailedTests
  failed += report.testResults.filter((f) => f.status === 'failed' && f.assertionResults.length === 0).length
} catch {
  failed = 1
}
if (exitCode !== '0' && failed === 0) failed = 1
process.stdout.write(`${passed} ${failed}\n`)
