import { defineConfig } from 'vitest/config'

const limits = {
  testTimeout: 60_000,
  hookTimeout: 120_000,
}

// CI counts the tests from a report in JSON.
const report = process.env.YINXIN_TEST_REPORT

export default defineConfig({
  test: {
    // Two workers: every file may own a PostgreSQL database, a browser or child processes.
    maxWorkers: 2,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
    projects: [
      {
        test: {
          name: 'packages',
          include: ['packages/**/*.test.ts', 'scripts/**/*.test.ts'],
          ...limits,
        },
      },
      {
        // One PostgreSQL cluster for the whole run, started only when a file of these folders is chosen.
        test: {
          name: 'apps',
          include: ['apps/**/*.test.ts', 'testing/**/*.test.ts'],
          globalSetup: ['testing/global-setup.ts'],
          ...limits,
        },
      },
    ],
  },
})
