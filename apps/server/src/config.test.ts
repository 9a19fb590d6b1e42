import { describe, expect, it } from 'vitest'
import { ConfigError, readConfig, settings } from './config.ts'

function problemsOf(environment: Record<string, string>): string[] {
  try {
    readConfig(environment)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

describe('settings', () => {
  it('need nothing to start for development', () => {
    expect(readConfig({})).toMatchObject({
      mode: 'development',
      baseUrl: 'http://127.0.0.1:8420',
      uploadLimitBytes: 100_000_000,
      databases: undefined,
      allowSimulators: false,
      roles: ['api', 'worker', 'scheduler'],
    })
  })

  it('keep keys beside the data and refuse them inside', () => {
    expect(readConfig({ YINXIN_DATA_DIR: '/srv/x/data' }).keyDir).toBe('/srv/x/data-keys')
    expect(problemsOf({ YINXIN_DATA_DIR: '/srv/x', YINXIN_KEY_DIR: '/srv/x/keys' })).toEqual([
      'YINXIN_KEY_DIR must not lie inside YINXIN_DATA_DIR',
    ])
    expect(problemsOf({ YINXIN_DATA_DIR: '/srv/x', YINXIN_KEY_DIR: '/srv/x/..keys' })).toHaveLength(1)
    expect(problemsOf({ YINXIN_DATA_DIR: '/srv/x', YINXIN_KEY_DIR: '/srv/y' })).toEqual([])
  })

  it('choose who keeps the keys, and say what is missing for it', () => {
    expect(readConfig({}).keys.driver).toEqual({ kind: 'file' })
    expect(problemsOf({ YINXIN_KEY_DRIVER: 'pkcs11', YINXIN_PKCS11_TOKEN: 't' })).toEqual([
      expect.stringContaining('YINXIN_PKCS11_PIN_FILE'),
    ])
    const vault = { YINXIN_KEY_DRIVER: 'vault', YINXIN_VAULT_URL: 'https://vault.example:8200/' }
    expect(problemsOf(vault)).toEqual([expect.stringContaining('YINXIN_VAULT_TOKEN_FILE')])
    expect(readConfig({ ...vault, YINXIN_VAULT_TOKEN_FILE: '/run/token' }).keys.driver).toMatchObject({
      url: 'https://vault.example:8200',
      mount: 'transit',
      auth: { tokenFile: '/run/token' },
    })
    const both = { ...vault, YINXIN_VAULT_TOKEN_FILE: '/a', YINXIN_VAULT_ROLE_ID: 'r' }
    expect(problemsOf(both)).toHaveLength(1)
    const plain = { ...vault, YINXIN_VAULT_URL: 'http://vault.example', YINXIN_VAULT_TOKEN_FILE: '/a' }
    expect(problemsOf(plain)).toEqual([expect.stringContaining('https://')])
    expect(problemsOf({ YINXIN_VAULT_URL: 'https://vault.example' })).toHaveLength(1)
  })

  it('are told all at once when wrong, typing errors included, without the secret values', () => {
    const problems = problemsOf({
      YINXIN_PORT: 'eighty',
      YINXIN_DATABASE_URL: 'mysql://user:hunter2@host/db',
      YINXIN_DATADIR: '/tmp',
      YINXIN_PRIMARY_SITE_DIRS: '/a,/b',
    })
    expect(problems).toHaveLength(4)
    expect(problems.join()).toMatch(/YINXIN_PORT.*YINXIN_DATABASE_URL|YINXIN_DATABASE_URL.*YINXIN_PORT/)
    expect(problems.join()).toContain('YINXIN_DATADIR is no setting')
    expect(problems.join()).not.toContain('hunter2')
  })

  it('refuse a half-named outside database and keys in the main one', () => {
    const url = 'postgres://s@h/main'
    expect(problemsOf({ YINXIN_DATABASE_URL: url })).toHaveLength(1)
    expect(
      problemsOf({
        YINXIN_DATABASE_URL: url,
        YINXIN_DATABASE_OWNER_URL: 'postgres://o@h/main',
        YINXIN_KEYS_DATABASE_URL: url,
        YINXIN_KEYS_DATABASE_OWNER_URL: 'postgres://o@h/main',
      }),
    ).toEqual(['YINXIN_KEYS_DATABASE_URL must name a database of its own'])
  })

  it('read buckets of two sites, one or three of each', () => {
    const site = (name: string, buckets: string) => ({
      [`YINXIN_S3_${name}_ENDPOINT`]: `https://s3.${name.toLowerCase()}.example`,
      [`YINXIN_S3_${name}_REGION`]: name.toLowerCase(),
      [`YINXIN_S3_${name}_BUCKETS`]: buckets,
      [`YINXIN_S3_${name}_KEY_ID`]: 'key',
      [`YINXIN_S3_${name}_SECRET_FILE`]: '/run/secrets/s3',
    })
    const both = { ...site('PRIMARY', 'one,two,three'), ...site('RECOVERY', 'copies') }
    const read = readConfig({
      YINXIN_STORAGE_DRIVER: 's3',
      ...both,
      YINXIN_S3_RECOVERY_PREFIX: '/from/here/',
      YINXIN_S3_RECOVERY_PATH_STYLE: '1',
    })
    expect(read.buckets).toMatchObject([
      { site: 'primary', buckets: ['one', 'two', 'three'], prefix: '', pathStyle: false },
      { site: 'recovery', buckets: ['copies'], prefix: 'from/here/', pathStyle: true },
    ])
    expect(problemsOf(both)).toEqual(['YINXIN_S3_PRIMARY_ENDPOINT needs YINXIN_STORAGE_DRIVER=s3'])
    expect(problemsOf({ YINXIN_STORAGE_DRIVER: 's3' })).toHaveLength(2)
    const wrong = problemsOf({ YINXIN_STORAGE_DRIVER: 's3', ...both, YINXIN_S3_PRIMARY_BUCKETS: 'one,two' })
    expect(wrong).toEqual(['YINXIN_S3_PRIMARY_BUCKETS must name one bucket or three different ones'])
    const same = site('RECOVERY', 'one')
    same.YINXIN_S3_RECOVERY_ENDPOINT = 'https://s3.primary.example'
    expect(problemsOf({ YINXIN_STORAGE_DRIVER: 's3', ...both, ...same })).toEqual([
      'YINXIN_S3_PRIMARY_BUCKETS and YINXIN_S3_RECOVERY_BUCKETS name the same place',
    ])
  })

  it('refuse outside timestamp authorities whose chain nobody could check', () => {
    const problems = problemsOf({ YINXIN_TSA_URLS: 'https://tsa.example/tsr' })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain('YINXIN_TSA_ANCHORS_FILE')
  })

  it('refuse production on simulators unless told that it is a rehearsal', () => {
    expect(problemsOf({ YINXIN_MODE: 'production' })).toHaveLength(5)
    expect(problemsOf({ YINXIN_MODE: 'production', YINXIN_ALLOW_SIMULATORS: '1' })).toEqual([])
    expect(
      problemsOf({
        YINXIN_MODE: 'production',
        YINXIN_BASE_URL: 'https://sign.example.com/',
        YINXIN_SMTP_URL: 'smtp://mail',
        YINXIN_SMS_URL: 'https://sms',
        YINXIN_SMS_KEY_ID: 'k',
        YINXIN_SMS_SECRET: 's',
        YINXIN_CA_ORGANIZATION: '示例',
        YINXIN_IDENTITY_URL: 'https://id',
      }),
    ).toEqual([
      'YINXIN_IDENTITY_URL needs YINXIN_IDENTITY_KEY_ID and YINXIN_IDENTITY_SECRET',
      expect.any(String),
    ])
  })

  it('are each described in both languages', () => {
    for (const [name, setting] of Object.entries(settings)) {
      expect(setting.zh, name).toMatch(/[\u4e00-\u9fff]/)
      expect(setting.en, name).toMatch(/[a-z]{3}/i)
    }
  })
})
