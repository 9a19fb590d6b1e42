/**
 * The settings of the server, and the only reader of the environment. Everything is checked at the start: a
 * wrong setting stops the server then and never at the first signature.
 */
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { z } from 'zod'

export type Mode = 'development' | 'sandbox' | 'production'
export type Role = 'api' | 'worker' | 'scheduler'

/** An HTTP service of somebody else that is called with signed requests. */
export interface GatewaySetting {
  url: string
  keyId: string
  secret: string
  algorithm: 'HMAC-SHA256' | 'HMAC-SM3'
  timeoutMs: number
}

/** Object storage of one site: three buckets, or one that holds three failure domains under prefixes. */
export interface BucketSiteSetting {
  site: 'primary' | 'recovery'
  endpoint: string
  region: string
  buckets: string[]
  /** Ends in a slash unless empty. */
  prefix: string
  keyId: string
  secretFile: string
  pathStyle: boolean
}

/** Root and epoch keys: in the key folder, in a PKCS#11 token, or with a key service. Secrets stay in files. */
export type KeyDriverSetting =
  | { kind: 'file' }
  | { kind: 'pkcs11'; module: string; token: string; pinFile: string; prefix: string }
  | {
      kind: 'vault'
      url: string
      mount: string
      prefix: string
      namespace: string | undefined
      auth: { tokenFile: string } | { roleId: string; secretIdFile: string }
    }

export interface Config {
  mode: Mode
  roles: Role[]
  host: string
  /** 0 takes any free port. */
  port: number
  /** How the outside reaches the server; stands in links. No slash at the end. */
  baseUrl: string
  /** True when `baseUrl` was not set but follows from host and port. */
  baseUrlDerived: boolean
  dataDir: string
  keyDir: string
  /** File with the key of the operator who gives a command; nothing of the server. */
  operatorKeyFile: string | undefined
  /** Who keeps root and epoch keys, and how long they live. */
  keys: {
    driver: KeyDriverSetting
    /** The driver that the keys are moving away from. */
    from: KeyDriverSetting | undefined
    epochMs: number
    rootMs: number | undefined
    backupCycleMs: number
  }
  /** An outside PostgreSQL; undefined starts the embedded one. */
  databases: { url: string; ownerUrl: string; keysUrl: string; keysOwnerUrl: string } | undefined
  /** Copies and backups of the embedded database. */
  databaseCopies: {
    counts: { primary: number; recovery: number }
    folders: { dataDir: string; recoveryDir: string; keysDir: string; keysRecoveryDir: string }
    sync: { onLoss: 'wait' | 'degrade'; waitMs: number }
    backups: { everyMs: number; walEveryMs: number; keptDays: number; keysKeptDays: number }
    /** The programs of another PostgreSQL than the embedded one. */
    binDir: string | undefined
  }
  /** Folders of the failure domains by site; undefined places them in the data folder. */
  sites: { site: 'primary' | 'recovery'; folders: string[] }[] | undefined
  /** Buckets of both sites instead of folders. */
  buckets: BucketSiteSetting[] | undefined
  /** What the operator says of places that a program cannot see; stands in durability reports as declared. */
  declared: { sitesApart: boolean; rootKeyCopies: number | undefined }
  /** How often every replica is read, and how fast. */
  scrub: { periodMs: number; bytesPerSecond: number }
  uploadLimitBytes: number
  mail: { smtpUrl: string; from: string } | undefined
  sms: GatewaySetting | undefined
  /** How many log-in codes strangers may have sent in an hour. */
  codeBudgets: { perAddress: number; altogether: number }
  /** How long the content of a message is kept. */
  messagesKeptDays: number
  exports: { keptMs: number; partBytes: number; retryMs: number; importLimitBytes: number }
  /** How long destruction waits: for second thoughts, and for the other parties. */
  destruction: { coolingOffDays: number; noticeDays: number }
  identityBureau: GatewaySetting | undefined
  /** Undefined founds a development certificate authority. */
  caOrganization: string | undefined
  /** Keys of event certificates, one per signing act. */
  eventKeyAlgorithm: 'ecdsa-p256-sha256' | 'rsa-pkcs1-sha256'
  /** Outside timestamp authorities in order of preference; none uses the platform's own. */
  tsaUrls: string[]
  /** PEM file of the roots that those authorities must chain to; set whenever there are any. */
  tsaAnchorsFile: string | undefined
  trustProxy: string[]
  /** How long a server that is told to end still answers, so that balancers notice first. */
  drainMs: number
  workerConcurrency: number
  /** Pauses before a callback that was not acknowledged is sent again. */
  callbackRetryMs: number[]
  /** Calls of one app to one interface of the compatible API. */
  fascCallsPerSecond: number
  /** Apps of the operator's own probes, and of load tests: what they ask for is no traffic. */
  sla: { probeApps: string[]; loadTestApps: string[] }
  /** Where the operator is told of what is wrong. */
  alerts: {
    robots: { url: string; secret: string | undefined }[]
    keyword: string | undefined
    mail: string[]
    sms: string[]
    webhook: { url: string; secret: string } | undefined
    heartbeatUrl: string | undefined
  }
  /** Of whoever may read /metrics; without one it is not served. */
  metricsToken: string | undefined
  allowSimulators: boolean
  logLevel: string
}

interface Setting {
  schema: z.ZodType
  /** As shown in the reference; none for settings without a default. */
  default?: string
  /** Never printed. */
  secret?: boolean
  zh: string
  en: string
}

const text = z.string().trim().min(1)
const list = text.transform((value) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
)
const postgresUrl = text.regex(/^postgres(ql)?:\/\//, 'must begin with postgres://')
const httpUrl = text.regex(/^https?:\/\/[^\s]+$/, 'must be an http:// or https:// address')
const wholeNumber = (min: number, max: number) =>
  text.regex(/^\d+$/, 'must be a whole number').transform(Number).pipe(z.number().min(min).max(max))

/** Every setting, in the order of the reference. */
export const settings = {
  YINXIN_MODE: {
    schema: z.enum(['development', 'sandbox', 'production']),
    default: 'development',
    zh: '运行模式。production 拒绝在模拟服务或开发用证书下启动。',
    en: 'How the server sees itself. `production` refuses to start on simulators or a development certificate authority.',
  },
  YINXIN_HOST: { schema: text, default: '127.0.0.1', zh: '监听地址。', en: 'Address to listen on.' },
  YINXIN_PORT: {
    schema: wholeNumber(0, 65_535),
    default: '8420',
    zh: '监听端口；0 表示任意空闲端口。',
    en: 'Port to listen on; 0 takes any free one.',
  },
  YINXIN_BASE_URL: {
    schema: httpUrl.transform((url) => url.replace(/\/+$/, '')),
    zh: '外部访问地址，用于发给签署人的链接；默认由监听地址得出。生产模式须为 https。',
    en: 'How the outside reaches the server; it stands in the links sent to signers. Follows from host and port unless set; must be https in production.',
  },
  YINXIN_DATA_DIR: {
    schema: text,
    default: './.data',
    zh: '数据目录：内置数据库与合同密文。',
    en: 'Folder of the embedded database and the encrypted contracts.',
  },
  YINXIN_KEY_DIR: {
    schema: text,
    zh: '密钥目录，权限须为 0700，不得位于数据目录内；默认为数据目录旁的同名 -keys 目录。请与数据分开备份。',
    en: 'Folder of the root key, mode 0700, never inside the data folder; by default its sibling with `-keys` appended. Back it up apart from the data.',
  },
  YINXIN_OPERATOR_KEY_FILE: {
    schema: text,
    zh: '运营人员执行命令时的密钥文件，由 `yinxin operator add` 签发；须两人完成的操作必须设置，见 [operators](../operations/operators.md)。服务本身不使用。',
    en: 'File with the key of the operator who gives a command, issued by `yinxin operator add`; needed for what takes two people, see [operators](../operations/operators.md). The server itself does not use it.',
  },
  YINXIN_KEY_DRIVER: {
    schema: z.enum(['file', 'pkcs11', 'vault']),
    default: 'file',
    zh: '根密钥与期密钥的保管方式：file 密钥目录，pkcs11 硬件令牌，vault 兼容 HashiCorp Vault transit 的密钥服务，见 [keys](../operations/keys.md)。首次启动后不可更改。',
    en: 'Who keeps root and epoch keys: `file`, the key folder; `pkcs11`, a hardware token; `vault`, a key service compatible with HashiCorp Vault transit, see [keys](../operations/keys.md). Fixed by the first start.',
  },
  YINXIN_KEY_DRIVER_FROM: {
    schema: z.enum(['file', 'pkcs11', 'vault']),
    zh: '密钥正从该保管方迁往 YINXIN_KEY_DRIVER；两者的设置都须给出，执行 yinxin keys move，旧密钥全部销毁后去掉本设置。',
    en: 'The driver that keys are moving away from, to `YINXIN_KEY_DRIVER`: give the settings of both, run `yinxin keys move`, and take this out once the old keys are destroyed.',
  },
  YINXIN_KEY_PREFIX: {
    schema: text.regex(/^[A-Za-z0-9_-]{1,40}$/, 'must be letters, digits, - and _'),
    default: 'yinxin',
    zh: '令牌或密钥服务中密钥名称的前缀；多套系统共用时须不同。',
    en: 'Begins the names of the keys in a token or key service; different for each installation that shares one.',
  },
  YINXIN_KEY_EPOCH_DAYS: {
    schema: wholeNumber(1, 365),
    default: '7',
    zh: '期密钥的更换周期（天）。',
    en: 'Days after which a new epoch key takes over.',
  },
  YINXIN_KEY_ROOT_DAYS: {
    schema: wholeNumber(1, 3650),
    zh: '根密钥的更换周期（天）；不设置则仅由 yinxin keys rotate root 更换。',
    en: 'Days after which a new root key takes over; unset leaves it to `yinxin keys rotate root`.',
  },
  YINXIN_KEY_BACKUP_CYCLE_DAYS: {
    schema: wholeNumber(0, 365),
    default: '7',
    zh: '旧密钥停用后保留的天数，应不少于密钥库一个完整备份周期；届满即销毁，更早的备份随之失效。',
    en: "Days for which a key that nothing hangs on any more is kept, at least one full cycle of the key store's backups; then it is destroyed, and older backups die with it.",
  },
  YINXIN_PKCS11_MODULE: {
    schema: text,
    zh: 'PKCS#11 模块的路径；YINXIN_KEY_DRIVER=pkcs11 时必填。',
    en: 'Path of the PKCS#11 module; needed with YINXIN_KEY_DRIVER=pkcs11.',
  },
  YINXIN_PKCS11_TOKEN: { schema: text, zh: '令牌的标签。', en: 'Label of the token.' },
  YINXIN_PKCS11_PIN_FILE: {
    schema: text,
    zh: '令牌 PIN 所在的文件，不得对所有人可读。',
    en: 'File that holds the PIN of the token, not readable to everybody.',
  },
  YINXIN_VAULT_URL: {
    schema: httpUrl.transform((url) => url.replace(/\/+$/, '')),
    zh: '密钥服务的地址；YINXIN_KEY_DRIVER=vault 时必填，除本机外须为 https。',
    en: 'Address of the key service; needed with YINXIN_KEY_DRIVER=vault, https unless on this machine.',
  },
  YINXIN_VAULT_MOUNT: {
    schema: text.regex(/^[\w/-]+$/, 'must be a path'),
    default: 'transit',
    zh: 'transit 引擎的挂载路径。',
    en: 'Where the transit engine is mounted.',
  },
  YINXIN_VAULT_NAMESPACE: { schema: text, zh: '命名空间。', en: 'Namespace, where there are any.' },
  YINXIN_VAULT_TOKEN_FILE: {
    schema: text,
    zh: '访问令牌所在的文件，每次调用时重新读取；与 AppRole 二选一。',
    en: 'File that holds the access token, read anew for each call; instead of AppRole.',
  },
  YINXIN_VAULT_ROLE_ID: { schema: text, zh: 'AppRole 的 role_id。', en: 'The role_id of AppRole.' },
  YINXIN_VAULT_SECRET_ID_FILE: {
    schema: text,
    zh: 'AppRole 的 secret_id 所在的文件。',
    en: 'File that holds the secret_id of AppRole.',
  },
  YINXIN_DATABASE_URL: {
    schema: postgresUrl,
    secret: true,
    zh: '外部 PostgreSQL（15 或更新）中服务登录名的地址，可列出多个主机（a:5432,b:5432），平台跟随其中可写的一个；不设置则启动内置 PostgreSQL。',
    en: "An outside PostgreSQL (15 or newer), as the server's login; it may name several hosts (`a:5432,b:5432`), of which the one that takes writes is followed. Unset starts the embedded one.",
  },
  YINXIN_DATABASE_OWNER_URL: {
    schema: postgresUrl,
    secret: true,
    zh: '同一数据库中执行迁移的登录名的地址；使用外部数据库时必填。',
    en: 'The same database as the login that runs the migrations; needed with an outside database.',
  },
  YINXIN_KEYS_DATABASE_URL: {
    schema: postgresUrl,
    secret: true,
    zh: '密钥数据库地址，须与主数据库不同；使用外部数据库时必填。',
    en: 'The keys database, never the main one; needed with an outside database.',
  },
  YINXIN_KEYS_DATABASE_OWNER_URL: {
    schema: postgresUrl,
    secret: true,
    zh: '密钥数据库中执行迁移的登录名的地址；使用外部数据库时必填。',
    en: 'The keys database as the login that runs the migrations; needed with an outside database.',
  },
  YINXIN_POSTGRES_BIN_DIR: {
    schema: text,
    zh: '以该目录中的 initdb 与 postgres（15 至 18）代替内置 PostgreSQL，仍由平台启动与管理。',
    en: 'Folder of an `initdb` and a `postgres` (15 to 18) that the platform starts and manages in place of the embedded ones.',
  },
  YINXIN_DB_COPIES: {
    schema: text
      .regex(/^[12]\+[0-2]$/, 'must be the copies of the two sites, like 1+1 or 2+2')
      .transform((value) => ({ primary: Number(value[0]), recovery: Number(value[2]) })),
    default: '1+1',
    zh: '内置数据库的副本数：主站点+容灾站点，主库与密钥库相同；2+2 为每站点两份，1+0 为不设副本。',
    en: 'Copies of the embedded databases, main and keys alike: primary site + recovery site. 2+2 makes two in each, 1+0 none beside the database itself.',
  },
  YINXIN_DB_RECOVERY_DIR: {
    schema: text,
    zh: '容灾站点中主库副本、日志归档与备份的目录，应位于另一站点的磁盘；默认在数据目录内。',
    en: "Folder of the main database's copies, log archive and backups in the recovery site, best on a disk of that site; by default in the data folder.",
  },
  YINXIN_KEYS_DB_DIR: {
    schema: text,
    zh: '密钥库的目录，不得位于数据目录内；默认为数据目录旁的同名 -keysdb 目录。',
    en: 'Folder of the keys database, never inside the data folder; by default its sibling with `-keysdb` appended.',
  },
  YINXIN_KEYS_DB_RECOVERY_DIR: {
    schema: text,
    zh: '容灾站点中密钥库副本与备份的目录，不得与主库的同在一处；默认在密钥库目录内。',
    en: 'Folder of the keys database in the recovery site, never together with the main one; by default in the folder of the keys database.',
  },
  YINXIN_DB_SYNC_LOSS: {
    schema: z.enum(['wait', 'degrade']),
    default: 'wait',
    zh: '另一站点无副本确认时：wait 提交等待至时限后以“未确认”结束；degrade 时限后告警并仅以本站点提交。',
    en: 'When no copy in the other site confirms: `wait` lets commits end unconfirmed after the limit; `degrade` raises an alarm after it and goes on with this site alone.',
  },
  YINXIN_DB_SYNC_WAIT_SECONDS: {
    schema: wholeNumber(1, 29),
    default: '10',
    zh: '提交等待另一站点确认的时限（秒）。',
    en: 'Seconds that a commit waits for the other site.',
  },
  YINXIN_BACKUP_EVERY_HOURS: {
    schema: wholeNumber(1, 24 * 31),
    default: '24',
    zh: '两次数据库基础备份之间的小时数。',
    en: 'Hours between two base backups of the databases.',
  },
  YINXIN_WAL_ARCHIVE_SECONDS: {
    schema: wholeNumber(1, 3600),
    default: '10',
    zh: '日志归档的间隔秒数；即只剩归档时最多损失的时间。',
    en: 'Seconds between two looks of the log archive: what is lost at most when nothing but the archive remains.',
  },
  YINXIN_BACKUP_KEPT_DAYS: {
    schema: wholeNumber(1, 3650),
    default: '30',
    zh: '主库备份与日志的保留天数，其间任一时刻均可恢复。',
    en: 'Days for which backups and log of the main database are kept; any moment within can be restored.',
  },
  YINXIN_KEYS_BACKUP_KEPT_DAYS: {
    schema: wholeNumber(1, 3650),
    default: '7',
    zh: '密钥库备份的保留天数；宜短，过期后已销毁的密钥不再存在于任何备份。',
    en: 'Days for which backups of the keys database are kept; short, because a destroyed key lives in them until then.',
  },
  YINXIN_PRIMARY_SITE_DIRS: {
    schema: list.pipe(z.array(z.string()).min(3, 'must name three folders or more')),
    zh: '主站点的存储目录（逗号分隔，至少三个），应位于不同的磁盘；每三个为一组，每个对象存于一组；新目录加在末尾；默认在数据目录内。',
    en: 'Folders of the primary site, three or more, separated by commas, best on different disks; every three are a group, and an object lies in one group; add new ones at the end. By default in the data folder.',
  },
  YINXIN_RECOVERY_SITE_DIRS: {
    schema: list.pipe(z.array(z.string()).min(3, 'must name three folders or more')),
    zh: '灾备站点的存储目录（逗号分隔，至少三个）；默认在数据目录内。',
    en: 'Folders of the recovery site, three or more, separated by commas; by default in the data folder.',
  },
  YINXIN_SITES_APART: {
    schema: z.enum(['unknown', 'declared']),
    default: 'unknown',
    zh: '两个站点的目录是否确在两地：declared 由运营者声明（如挂载自两地的存储），写入持久性报告；不声明则同一台机器的目录按一个站点计。',
    en: 'Whether the folders of the two sites really stand in two places: `declared` when they are mounts of two places, which durability reports repeat as the operator’s word; otherwise folders of one machine count as one site.',
  },
  YINXIN_ROOT_KEY_COPIES: {
    schema: wholeNumber(1, 99),
    zh: '根密钥（密钥目录或令牌）共有几份，分别保存在不同的地点，含正在使用的一份；由运营者声明，写入持久性报告。不设置按一份计。',
    en: 'How many copies of the root key (key folder or token) are kept in different places, the one in use included; the operator’s word, repeated in durability reports. Unset counts as one.',
  },
  YINXIN_SCRUB_HOURS: {
    schema: wholeNumber(1, 24 * 31),
    default: '24',
    zh: '每个副本最长多少小时完整读取并校验一次；时间越长，持久性计算值越低。',
    en: 'Hours within which every replica is read fully and verified once; the longer, the lower the computed durability.',
  },
  YINXIN_SCRUB_BYTES_PER_SECOND: {
    schema: wholeNumber(65_536, 10_000_000_000),
    default: '33554432',
    zh: '校验时从一个存储目录或桶每秒读取的字节上限。',
    en: 'How many bytes a second a scrub may read from one failure domain.',
  },
  YINXIN_STORAGE_DRIVER: {
    schema: z.enum(['folders', 's3']),
    default: 'folders',
    zh: '合同密文存放处：folders 为目录或磁盘，s3 为两地的 S3 兼容对象存储，见 [storage-s3](../operations/storage-s3.md)。',
    en: 'Where encrypted contracts lie: `folders` or disks, or `s3`, buckets of S3-compatible object storage in two regions, see [storage-s3](../operations/storage-s3.md).',
  },
  ...bucketSettings('YINXIN_S3_PRIMARY', '主站点', 'of the primary site'),
  ...bucketSettings('YINXIN_S3_RECOVERY', '容灾站点', 'of the recovery site'),
  YINXIN_UPLOAD_LIMIT_BYTES: {
    schema: wholeNumber(1, 2_000_000_000),
    default: '100000000',
    zh: '单个上传文件的字节上限。',
    en: 'Largest file that may be uploaded, in bytes.',
  },
  YINXIN_SMTP_URL: {
    schema: text.regex(/^smtps?:\/\//, 'must begin with smtp:// or smtps://'),
    secret: true,
    zh: '发送邮件的 SMTP 服务器；不设置则邮件只进入本地发件箱（模拟）。',
    en: 'Mail server; unset keeps mail in the local outbox (a simulator).',
  },
  YINXIN_MAIL_FROM: {
    schema: text,
    default: '印信 Yinxin <no-reply@localhost>',
    zh: '邮件的发件人。',
    en: 'Sender of mails.',
  },
  YINXIN_CODES_PER_ADDRESS_HOUR: {
    schema: wholeNumber(1, 1_000_000),
    default: '60',
    zh: '同一网络地址（IPv6 按 /64 网段）每小时最多获取的登录验证码条数；从签署链接获取的不计入。',
    en: 'Log-in codes that one address (of IPv6, one /64 network) may ask for in an hour; those asked for through signing links do not count.',
  },
  YINXIN_CODES_PER_HOUR: {
    schema: wholeNumber(1, 10_000_000),
    default: '2000',
    zh: '每小时向未登录者发送的登录验证码总条数上限，用以控制被恶意刷取短信时的费用；从签署链接获取的不计入。',
    en: 'Log-in codes sent in an hour to whoever is not logged in, altogether; bounds the bill when somebody plays with it. Those asked for through signing links do not count.',
  },
  YINXIN_MESSAGES_KEPT_DAYS: {
    schema: wholeNumber(1, 3650),
    default: '30',
    zh: '已发送消息的内容保留天数；此后只保留发送记录，登录验证码的记录一并删除。',
    en: 'Days for which the content of a sent message is kept; afterwards only the record of sending stays, and of log-in codes nothing.',
  },
  YINXIN_EXPORT_KEPT_DAYS: {
    schema: wholeNumber(1, 90),
    default: '7',
    zh: '导出归档可下载的天数；此后销毁。',
    en: 'Days for which the archive of an export can be downloaded; afterwards it is destroyed.',
  },
  YINXIN_EXPORT_PART_BYTES: {
    schema: wholeNumber(65_536, 1_073_741_824),
    default: '16777216',
    zh: '导出归档的分块大小（字节）；每块有自己的哈希，可单独续传。写入对象存储时至少为 5 MiB。',
    en: 'Size of a part of an export archive in bytes; each has a hash of its own and can be fetched by itself. Object storage wants at least 5 MiB.',
  },
  YINXIN_EXPORT_RETRY_MS: {
    schema: wholeNumber(100, 86_400_000),
    default: '300000',
    zh: '导出时读不出的内容，隔多少毫秒再试；试三次仍不可读，则在清单中声明为遗失，其余照常导出。',
    en: 'Milliseconds before an export tries again what it could not read; read in vain three times it is declared as lost, and the rest is exported.',
  },
  YINXIN_IMPORT_LIMIT_BYTES: {
    schema: wholeNumber(1_048_576, 1_099_511_627_776),
    default: '107374182400',
    zh: '经网页或 API 导入的导出包最大字节数；更大的由运维人员在本机用 yinxin import 导入。',
    en: 'Largest bundle that is imported over the page or the API, in bytes; larger ones an operator imports on the machine with `yinxin import`.',
  },
  YINXIN_DESTRUCTION_COOLING_DAYS: {
    schema: wholeNumber(0, 90),
    default: '7',
    zh: '销毁整份合同前的冷静期天数，期间可撤销。',
    en: 'Days of cooling-off before a whole contract is destroyed, during which it can be called off.',
  },
  YINXIN_DESTRUCTION_NOTICE_DAYS: {
    schema: wholeNumber(0, 365),
    default: '30',
    zh: '服务期满销毁合同前通知其他各方的天数，期间各方可自行导出。',
    en: 'Days of notice to the other parties before a contract is destroyed at the end of the service; they can export it meanwhile.',
  },
  YINXIN_CA_ORGANIZATION: {
    schema: text.max(64),
    zh: '平台证书机构的单位名称；不设置则建立名称中标明“开发测试”的证书机构。首次启动后不可更改。',
    en: 'Organization in the name of the certificate authority; unset founds a development authority that says so in its name. Fixed by the first start.',
  },
  YINXIN_EVENT_KEYS: {
    schema: z
      .enum(['p256', 'rsa2048'])
      .transform((name) =>
        name === 'p256' ? ('ecdsa-p256-sha256' as const) : ('rsa-pkcs1-sha256' as const),
      ),
    default: 'p256',
    zh: '每次签署所用事件证书的密钥：p256，或供旧验签软件使用的 rsa2048（每次签署多耗约 0.1 秒）。',
    en: 'Keys of the event certificates, one per signing act: p256, or rsa2048 for old verifiers, which adds about 0.1 s to each act.',
  },
  ...gatewaySettings('YINXIN_SMS', '短信网关', 'the text message gateway', 'sms-gateway'),
  ...gatewaySettings('YINXIN_IDENTITY', '实名核验服务', 'the identity bureau', 'identity-provider'),
  YINXIN_TSA_URLS: {
    schema: list.pipe(z.array(httpUrl)),
    zh: '外部 RFC 3161 时间戳服务地址（逗号分隔，按优先顺序）；不设置则使用平台自有时间戳。',
    en: "Outside RFC 3161 authorities, separated by commas, best first; unset uses the platform's own.",
  },
  YINXIN_TSA_ANCHORS_FILE: {
    schema: text,
    zh: '外部时间戳服务的根证书（PEM 文件，可含多张）；设置 YINXIN_TSA_URLS 时必填。',
    en: 'PEM file with the root certificates of the outside authorities; needed with YINXIN_TSA_URLS.',
  },
  YINXIN_TRUST_PROXY: {
    schema: list,
    zh: '可信反向代理的地址（逗号分隔），采信其 X-Forwarded-For。',
    en: 'Addresses of reverse proxies whose X-Forwarded-For is believed, separated by commas.',
  },
  YINXIN_DRAIN_SECONDS: {
    schema: wholeNumber(0, 300),
    zh: '收到 SIGTERM 后，/readyz 先回答未就绪而请求照常处理的秒数，应长于负载均衡两次探测；默认生产模式 5，其他模式 0。',
    en: 'Seconds after SIGTERM in which `/readyz` says no while requests are still answered; longer than two looks of the balancer. 5 in production unless set, otherwise 0.',
  },
  YINXIN_WORKER_CONCURRENCY: {
    schema: wholeNumber(1, 64),
    default: '8',
    zh: '后台任务的并发数。',
    en: 'Background jobs at a time.',
  },
  YINXIN_CALLBACK_RETRY_SECONDS: {
    schema: list
      .pipe(z.array(wholeNumber(1, 7 * 86_400)).max(10))
      .transform((all) => all.map((s) => s * 1000)),
    default: '180,1800,28800',
    zh: '回调未被确认时，再次发送前等待的秒数（逗号分隔，依次为第 2、3、4 次）；联调时可设短一些。',
    en: 'Seconds to wait before a callback that was not acknowledged is sent a second, third and fourth time, separated by commas; make them shorter while you integrate.',
  },
  YINXIN_FASC_CALLS_PER_SECOND: {
    schema: wholeNumber(1, 100_000),
    default: '20',
    zh: '兼容接口（/api/v5）中每个应用对每个接口每秒的调用次数上限（按进程计）。',
    en: 'Calls per second of one app to one interface of the compatible API (/api/v5), counted per process.',
  },
  YINXIN_SLA_PROBE_APPS: {
    schema: list,
    zh: '运营者自己的探测程序所用的 appId，以逗号分隔；它们的请求不计入流量，它们报告的结果在没有流量的分钟里作数（SLA 3.8）。',
    en: 'App ids of the operator’s own probes, separated by commas: their requests are no traffic, and what they report counts in minutes without any (SLA 3.8).',
  },
  YINXIN_SLA_LOAD_TEST_APPS: {
    schema: list,
    zh: '压力测试所用的 appId，以逗号分隔；它们的请求不计入可用性。',
    en: 'App ids of load tests, separated by commas: their requests do not count towards availability.',
  },
  YINXIN_METRICS_TOKEN: {
    schema: text.min(16, 'must have 16 characters or more'),
    secret: true,
    zh: '读取 /metrics（Prometheus）所需的令牌；不设置则不经网络提供指标，见 [monitoring](../operations/monitoring.md)。',
    en: 'Bearer token for `/metrics` (Prometheus); unset, metrics are not served over the network, see [monitoring](../operations/monitoring.md).',
  },
  YINXIN_ALERT_DINGTALK_URLS: {
    schema: list.pipe(z.array(httpUrl).min(1).max(10)),
    secret: true,
    zh: '接收告警的钉钉群机器人 Webhook 地址（含 access_token，逗号分隔）；第二个起在前一个限流或故障时使用。',
    en: 'Webhook addresses of DingTalk robots that take alerts, with their access_token, separated by commas; the next one steps in when one is throttled or fails.',
  },
  YINXIN_ALERT_DINGTALK_SECRETS: {
    schema: list,
    secret: true,
    zh: '各机器人的加签密钥（SEC…，顺序相同）；用 - 表示该机器人未启用加签。',
    en: 'The signing secret (`SEC…`) of each robot in the same order; `-` for one that does not sign.',
  },
  YINXIN_ALERT_DINGTALK_KEYWORD: {
    schema: text.max(40),
    zh: '机器人要求的自定义关键词，写入每条消息。',
    en: 'Keyword that the robots demand; stands in every message.',
  },
  YINXIN_ALERT_MAIL: {
    schema: list.pipe(z.array(z.email())),
    zh: '除值班人员外始终接收告警的邮箱，以逗号分隔。',
    en: 'Mail addresses told of every alert beside those on call, separated by commas.',
  },
  YINXIN_ALERT_SMS: {
    schema: list.pipe(z.array(z.string().regex(/^\+?\d{6,15}$/, 'must be mobile numbers'))),
    zh: '除值班人员外始终接收 P1 告警短信的手机号，以逗号分隔。',
    en: 'Mobile numbers told of every P1 alert beside those on call, separated by commas.',
  },
  YINXIN_ALERT_WEBHOOK_URL: {
    schema: httpUrl,
    zh: '接收告警的程序地址，按 Standard Webhooks 签名。',
    en: 'Address of a program that takes alerts, signed as Standard Webhooks.',
  },
  YINXIN_ALERT_WEBHOOK_SECRET: {
    schema: text.min(16, 'must have 16 characters or more'),
    secret: true,
    zh: '签名告警所用的密钥；设置 YINXIN_ALERT_WEBHOOK_URL 时必填。',
    en: 'Key that signs those alerts; needed with YINXIN_ALERT_WEBHOOK_URL.',
  },
  YINXIN_ALERT_HEARTBEAT_URL: {
    schema: httpUrl,
    secret: true,
    zh: '每分钟接收一次心跳（POST）的外部地址；心跳中断即由对方告警（dead man’s switch）。',
    en: 'Outside address that gets a heartbeat (POST) every minute and raises the alarm when it stays away.',
  },
  YINXIN_ALLOW_SIMULATORS: {
    schema: z.enum(['0', '1']).transform((value) => value === '1'),
    default: '0',
    zh: '为 1 时允许生产模式使用模拟服务与开发用证书（仅供演练）。',
    en: 'Set to 1, production starts on simulators and a development certificate authority all the same (for rehearsals).',
  },
  YINXIN_LOG_LEVEL: {
    schema: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    default: 'info',
    zh: '日志级别；日志写到标准错误。',
    en: 'How much is logged, to standard error.',
  },
} satisfies Record<string, Setting>

function bucketSettings<Prefix extends string>(prefix: Prefix, zh: string, en: string) {
  const made: Record<string, Setting> = {
    [`${prefix}_ENDPOINT`]: {
      schema: httpUrl,
      zh: `${zh}对象存储的 S3 接口地址；YINXIN_STORAGE_DRIVER=s3 时必填。`,
      en: `Address of the S3 interface ${en}; needed with YINXIN_STORAGE_DRIVER=s3.`,
    },
    [`${prefix}_REGION`]: { schema: text, zh: `${zh}的区域名称。`, en: `Name of the region ${en}.` },
    [`${prefix}_BUCKETS`]: {
      schema: list.pipe(
        z.array(z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be names of buckets')),
      ),
      zh: `${zh}的存储桶：三个（逗号分隔，各为一个故障域），或一个（以前缀 a/、b/、c/ 分为三份）。须已建立。`,
      en: `Buckets ${en}, which must exist: three, separated by commas, each a failure domain; or one, which holds three copies under the prefixes a/, b/ and c/.`,
    },
    [`${prefix}_PREFIX`]: {
      schema: text.regex(/^[\w./-]+$/, 'must be a path'),
      zh: `${zh}桶内的公共前缀。`,
      en: `Path inside the buckets ${en} below which everything lies.`,
    },
    [`${prefix}_KEY_ID`]: { schema: text, zh: `${zh}的访问密钥编号。`, en: `Access key id ${en}.` },
    [`${prefix}_SECRET_FILE`]: {
      schema: text,
      zh: `${zh}访问密钥所在的文件。`,
      en: `File that holds the secret access key ${en}.`,
    },
    [`${prefix}_PATH_STYLE`]: {
      schema: z.enum(['0', '1']).transform((value) => value === '1'),
      default: '0',
      zh: `为 1 时${zh}以 endpoint/bucket 访问，而非 bucket.endpoint；自建存储通常需要。`,
      en: `Set to 1, the buckets ${en} are reached as endpoint/bucket instead of bucket.endpoint; storage of one's own usually needs it.`,
    },
  }
  return made as Record<
    `${Prefix}_${'ENDPOINT' | 'REGION' | 'BUCKETS' | 'PREFIX' | 'KEY_ID' | 'SECRET_FILE' | 'PATH_STYLE'}`,
    Setting
  >
}

function gatewaySettings<Prefix extends string>(prefix: Prefix, zh: string, en: string, page: string) {
  const link = `[${page}](${page}.md)`
  const made: Record<string, Setting> = {
    [`${prefix}_URL`]: {
      schema: httpUrl,
      zh: `${zh}的地址，协议见 ${link}；不设置则使用模拟服务。`,
      en: `Address of ${en}, protocol in ${link}; unset uses a simulator.`,
    },
    [`${prefix}_KEY_ID`]: { schema: text, zh: `调用${zh}的密钥编号。`, en: `Key id for ${en}.` },
    [`${prefix}_SECRET`]: { schema: text, secret: true, zh: `调用${zh}的密钥。`, en: `Secret for ${en}.` },
    [`${prefix}_ALGORITHM`]: {
      schema: z.enum(['HMAC-SHA256', 'HMAC-SM3']),
      default: 'HMAC-SHA256',
      zh: `调用${zh}的签名算法：HMAC-SHA256 或 HMAC-SM3。`,
      en: `How calls to ${en} are signed: HMAC-SHA256 or HMAC-SM3.`,
    },
    [`${prefix}_TIMEOUT_MS`]: {
      schema: wholeNumber(100, 120_000),
      default: '10000',
      zh: `等待${zh}应答的毫秒数。`,
      en: `Milliseconds to wait for ${en}.`,
    },
  }
  return made as Record<`${Prefix}_${'URL' | 'KEY_ID' | 'SECRET' | 'ALGORITHM' | 'TIMEOUT_MS'}`, Setting>
}

/** All that is wrong with the settings at once, one line each, with no value of a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: string[]

  constructor(problems: string[]) {
    super(`the settings are not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

export type Environment = Record<string, string | undefined>

/** Reads and checks the settings. `environment` and `roles` are for commands and tests. */
export function readConfig(
  environment: Environment = process.env,
  roles: Role[] = ['api', 'worker', 'scheduler'],
): Config {
  const problems: string[] = []
  const values = readValues(environment, problems)
  const value = <T>(name: keyof typeof settings) => values.get(name) as T

  const dataDir = resolve(value<string>('YINXIN_DATA_DIR'))
  const keyDir = resolve(
    value<string | undefined>('YINXIN_KEY_DIR') ?? join(dirname(dataDir), `${basename(dataDir)}-keys`),
  )
  if (isInside(keyDir, dataDir)) problems.push('YINXIN_KEY_DIR must not lie inside YINXIN_DATA_DIR')

  const databaseCopies = readDatabaseCopies(value, dataDir, problems)

  const host = value<string>('YINXIN_HOST')
  const port = value<number>('YINXIN_PORT')
  const baseUrl = value<string | undefined>('YINXIN_BASE_URL')
  const smtpUrl = value<string | undefined>('YINXIN_SMTP_URL')
  const config: Config = {
    mode: value('YINXIN_MODE'),
    roles,
    host,
    port,
    baseUrl: baseUrl ?? localUrl(host, port),
    baseUrlDerived: baseUrl === undefined,
    dataDir,
    keyDir,
    operatorKeyFile: value<string | undefined>('YINXIN_OPERATOR_KEY_FILE'),
    keys: readKeys(value, problems),
    databases: readDatabases(value, problems),
    databaseCopies,
    sites: readSites(value, problems),
    buckets: readBuckets(value, problems),
    declared: {
      sitesApart: value('YINXIN_SITES_APART') === 'declared',
      rootKeyCopies: value('YINXIN_ROOT_KEY_COPIES'),
    },
    scrub: {
      periodMs: value<number>('YINXIN_SCRUB_HOURS') * 3_600_000,
      bytesPerSecond: value('YINXIN_SCRUB_BYTES_PER_SECOND'),
    },
    uploadLimitBytes: value('YINXIN_UPLOAD_LIMIT_BYTES'),
    mail: smtpUrl === undefined ? undefined : { smtpUrl, from: value('YINXIN_MAIL_FROM') },
    sms: readGateway('YINXIN_SMS', value, problems),
    codeBudgets: {
      perAddress: value('YINXIN_CODES_PER_ADDRESS_HOUR'),
      altogether: value('YINXIN_CODES_PER_HOUR'),
    },
    messagesKeptDays: value('YINXIN_MESSAGES_KEPT_DAYS'),
    exports: {
      keptMs: value<number>('YINXIN_EXPORT_KEPT_DAYS') * 24 * 60 * 60_000,
      partBytes: value<number>('YINXIN_EXPORT_PART_BYTES'),
      retryMs: value<number>('YINXIN_EXPORT_RETRY_MS'),
      importLimitBytes: value<number>('YINXIN_IMPORT_LIMIT_BYTES'),
    },
    destruction: {
      coolingOffDays: value('YINXIN_DESTRUCTION_COOLING_DAYS'),
      noticeDays: value('YINXIN_DESTRUCTION_NOTICE_DAYS'),
    },
    identityBureau: readGateway('YINXIN_IDENTITY', value, problems),
    caOrganization: value('YINXIN_CA_ORGANIZATION'),
    eventKeyAlgorithm: value('YINXIN_EVENT_KEYS'),
    tsaUrls: value<string[] | undefined>('YINXIN_TSA_URLS') ?? [],
    tsaAnchorsFile: value('YINXIN_TSA_ANCHORS_FILE'),
    trustProxy: value<string[] | undefined>('YINXIN_TRUST_PROXY') ?? [],
    drainMs:
      1000 *
      (value<number | undefined>('YINXIN_DRAIN_SECONDS') ?? (value('YINXIN_MODE') === 'production' ? 5 : 0)),
    workerConcurrency: value('YINXIN_WORKER_CONCURRENCY'),
    callbackRetryMs: value('YINXIN_CALLBACK_RETRY_SECONDS'),
    fascCallsPerSecond: value('YINXIN_FASC_CALLS_PER_SECOND'),
    sla: {
      probeApps: value<string[] | undefined>('YINXIN_SLA_PROBE_APPS') ?? [],
      loadTestApps: value<string[] | undefined>('YINXIN_SLA_LOAD_TEST_APPS') ?? [],
    },
    alerts: readAlerts(value, problems),
    metricsToken: value('YINXIN_METRICS_TOKEN'),
    allowSimulators: value('YINXIN_ALLOW_SIMULATORS'),
    logLevel: value('YINXIN_LOG_LEVEL'),
  }
  if (config.tsaUrls.length > 0 && config.tsaAnchorsFile === undefined) {
    problems.push(
      'YINXIN_TSA_URLS needs YINXIN_TSA_ANCHORS_FILE: a token whose chain nobody checks proves nothing',
    )
  }
  if (config.mode === 'production') checkProduction(config, problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return config
}

/** The address under which a server on `host` and `port` is reached from this machine. */
export function localUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  return `http://${name}:${port}`
}

function readValues(environment: Environment, problems: string[]): Map<string, unknown> {
  for (const name of Object.keys(environment)) {
    const known = name in settings || !name.startsWith('YINXIN_') || OTHER_VARIABLES.has(name)
    if (!known) problems.push(`${name} is no setting; look for a typing error`)
  }
  const values = new Map<string, unknown>()
  for (const [name, setting] of Object.entries<Setting>(settings)) {
    const given = environment[name]?.trim() || setting.default
    if (given === undefined) continue
    const parsed = setting.schema.safeParse(given)
    if (parsed.success) values.set(name, parsed.data)
    else problems.push(`${name} ${parsed.error.issues.map((issue) => issue.message).join('; ')}`)
  }
  return values
}

/** Read by tests and commands, not by the server. */
const OTHER_VARIABLES = new Set([
  'YINXIN_CORPUS',
  'YINXIN_TEST_DATABASE_URL',
  'YINXIN_TEST_REPORT',
  'YINXIN_API',
])

type Value = <T>(name: keyof typeof settings) => T

function readDatabases(value: Value, problems: string[]): Config['databases'] {
  const url = value<string | undefined>('YINXIN_DATABASE_URL')
  const ownerUrl = value<string | undefined>('YINXIN_DATABASE_OWNER_URL')
  const keysUrl = value<string | undefined>('YINXIN_KEYS_DATABASE_URL')
  const keysOwnerUrl = value<string | undefined>('YINXIN_KEYS_DATABASE_OWNER_URL')
  if (!url && !ownerUrl && !keysUrl && !keysOwnerUrl) return undefined
  if (!url || !ownerUrl || !keysUrl || !keysOwnerUrl) {
    problems.push(
      'an outside database needs YINXIN_DATABASE_URL, YINXIN_DATABASE_OWNER_URL, YINXIN_KEYS_DATABASE_URL and YINXIN_KEYS_DATABASE_OWNER_URL together',
    )
    return undefined
  }
  if (url === keysUrl) problems.push('YINXIN_KEYS_DATABASE_URL must name a database of its own')
  if (url === ownerUrl) problems.push('YINXIN_DATABASE_URL must not be the login that owns the tables')
  return { url, ownerUrl, keysUrl, keysOwnerUrl }
}

function readDatabaseCopies(value: Value, dataDir: string, problems: string[]): Config['databaseCopies'] {
  const folder = (name: keyof typeof settings) => {
    const given = value<string | undefined>(name)
    return given === undefined ? undefined : resolve(given)
  }
  const keysDir = folder('YINXIN_KEYS_DB_DIR') ?? join(dirname(dataDir), `${basename(dataDir)}-keysdb`)
  const recoveryDir = folder('YINXIN_DB_RECOVERY_DIR') ?? join(dataDir, 'db-recovery')
  const keysRecoveryDir = folder('YINXIN_KEYS_DB_RECOVERY_DIR') ?? join(keysDir, 'db-recovery')
  for (const [name, path] of [
    ['YINXIN_KEYS_DB_DIR', keysDir],
    ['YINXIN_KEYS_DB_RECOVERY_DIR', keysRecoveryDir],
  ] as const) {
    for (const main of [dataDir, recoveryDir]) {
      if (isInside(path, main)) {
        problems.push(
          `${name} must not lie inside ${main}: the keys database and the main one share no backup`,
        )
      }
    }
  }
  const hourMs = 3_600_000
  return {
    counts: value('YINXIN_DB_COPIES'),
    binDir: folder('YINXIN_POSTGRES_BIN_DIR'),
    folders: { dataDir, recoveryDir, keysDir, keysRecoveryDir },
    sync: {
      onLoss: value('YINXIN_DB_SYNC_LOSS'),
      waitMs: value<number>('YINXIN_DB_SYNC_WAIT_SECONDS') * 1000,
    },
    backups: {
      everyMs: value<number>('YINXIN_BACKUP_EVERY_HOURS') * hourMs,
      walEveryMs: value<number>('YINXIN_WAL_ARCHIVE_SECONDS') * 1000,
      keptDays: value('YINXIN_BACKUP_KEPT_DAYS'),
      keysKeptDays: value('YINXIN_KEYS_BACKUP_KEPT_DAYS'),
    },
  }
}

function readKeys(value: Value, problems: string[]): Config['keys'] {
  const dayMs = 86_400_000
  const rootDays = value<number | undefined>('YINXIN_KEY_ROOT_DAYS')
  return {
    ...readKeyDrivers(value, problems),
    epochMs: value<number>('YINXIN_KEY_EPOCH_DAYS') * dayMs,
    rootMs: rootDays === undefined ? undefined : rootDays * dayMs,
    backupCycleMs: value<number>('YINXIN_KEY_BACKUP_CYCLE_DAYS') * dayMs,
  }
}

type KeyDriverKind = KeyDriverSetting['kind']

function readKeyDrivers(value: Value, problems: string[]): Pick<Config['keys'], 'driver' | 'from'> {
  const kind = value<KeyDriverKind | undefined>('YINXIN_KEY_DRIVER') ?? 'file'
  const from = value<KeyDriverKind | undefined>('YINXIN_KEY_DRIVER_FROM')
  if (from === kind) problems.push('YINXIN_KEY_DRIVER_FROM must be another driver than YINXIN_KEY_DRIVER')
  for (const [name, driver] of [
    ['YINXIN_PKCS11_MODULE', 'pkcs11'],
    ['YINXIN_VAULT_URL', 'vault'],
  ] as const) {
    if (value<string | undefined>(name) !== undefined && kind !== driver && from !== driver)
      problems.push(`${name} needs YINXIN_KEY_DRIVER=${driver}`)
  }
  return {
    driver: readKeyDriver(kind, value, problems),
    from: from === undefined || from === kind ? undefined : readKeyDriver(from, value, problems),
  }
}

function readKeyDriver(kind: KeyDriverKind, value: Value, problems: string[]): KeyDriverSetting {
  const prefix = value<string>('YINXIN_KEY_PREFIX')
  const given = (name: keyof typeof settings) => value<string | undefined>(name)
  if (kind === 'pkcs11') {
    const [module, token, pinFile] = [
      given('YINXIN_PKCS11_MODULE'),
      given('YINXIN_PKCS11_TOKEN'),
      given('YINXIN_PKCS11_PIN_FILE'),
    ]
    if (module && token && pinFile)
      return { kind, module: resolve(module), token, pinFile: resolve(pinFile), prefix }
    problems.push(
      'YINXIN_KEY_DRIVER=pkcs11 needs YINXIN_PKCS11_MODULE, YINXIN_PKCS11_TOKEN and YINXIN_PKCS11_PIN_FILE',
    )
  }
  if (kind === 'vault') {
    const url = given('YINXIN_VAULT_URL')
    const auth = readVaultAuth(given)
    if (url !== undefined && !/^https:|^http:\/\/(localhost|127\.|\[::1\])/.test(url))
      problems.push('YINXIN_VAULT_URL must be https:// unless it is on this machine')
    const mount = value<string>('YINXIN_VAULT_MOUNT')
    if (url !== undefined && auth !== undefined)
      return { kind, url, mount, prefix, namespace: given('YINXIN_VAULT_NAMESPACE'), auth }
    problems.push(
      'YINXIN_KEY_DRIVER=vault needs YINXIN_VAULT_URL and either YINXIN_VAULT_TOKEN_FILE or YINXIN_VAULT_ROLE_ID with YINXIN_VAULT_SECRET_ID_FILE',
    )
  }
  return { kind: 'file' }
}

function readVaultAuth(given: (name: keyof typeof settings) => string | undefined) {
  const [tokenFile, roleId, secretIdFile] = [
    given('YINXIN_VAULT_TOKEN_FILE'),
    given('YINXIN_VAULT_ROLE_ID'),
    given('YINXIN_VAULT_SECRET_ID_FILE'),
  ]
  if (tokenFile !== undefined && roleId === undefined && secretIdFile === undefined)
    return { tokenFile: resolve(tokenFile) }
  if (tokenFile === undefined && roleId !== undefined && secretIdFile !== undefined)
    return { roleId, secretIdFile: resolve(secretIdFile) }
  return undefined
}

function readSites(value: Value, problems: string[]): Config['sites'] {
  const primary = value<string[] | undefined>('YINXIN_PRIMARY_SITE_DIRS')
  const recovery = value<string[] | undefined>('YINXIN_RECOVERY_SITE_DIRS')
  if (!primary && !recovery) return undefined
  if (!primary || !recovery) {
    problems.push('YINXIN_PRIMARY_SITE_DIRS and YINXIN_RECOVERY_SITE_DIRS are set together')
    return undefined
  }
  const [inPrimary, inRecovery] = [primary, recovery].map((all) => all.map((folder) => resolve(folder)))
  const folders = [...(inPrimary ?? []), ...(inRecovery ?? [])]
  if (new Set(folders).size !== folders.length) problems.push('each failure domain needs a folder of its own')
  return [
    { site: 'primary', folders: inPrimary ?? [] },
    { site: 'recovery', folders: inRecovery ?? [] },
  ]
}

function readBuckets(value: Value, problems: string[]): Config['buckets'] {
  const sites = [
    { site: 'primary', prefix: 'YINXIN_S3_PRIMARY' },
    { site: 'recovery', prefix: 'YINXIN_S3_RECOVERY' },
  ] as const
  if (value<string>('YINXIN_STORAGE_DRIVER') === 'folders') {
    const idle = sites.find(({ prefix }) => value<string | undefined>(`${prefix}_ENDPOINT`) !== undefined)
    if (idle) problems.push(`${idle.prefix}_ENDPOINT needs YINXIN_STORAGE_DRIVER=s3`)
    return undefined
  }
  if (value<unknown>('YINXIN_PRIMARY_SITE_DIRS') !== undefined)
    problems.push('YINXIN_PRIMARY_SITE_DIRS is for YINXIN_STORAGE_DRIVER=folders')
  const settings = sites.flatMap(({ site, prefix }) => readBucketSite(site, prefix, value, problems) ?? [])
  const places = settings.flatMap((one) => one.buckets.map((name) => `${one.endpoint} ${name} ${one.prefix}`))
  if (new Set(places).size !== places.length)
    problems.push('YINXIN_S3_PRIMARY_BUCKETS and YINXIN_S3_RECOVERY_BUCKETS name the same place')
  return settings
}

function readBucketSite(
  site: BucketSiteSetting['site'],
  prefix: 'YINXIN_S3_PRIMARY' | 'YINXIN_S3_RECOVERY',
  value: Value,
  problems: string[],
): BucketSiteSetting | undefined {
  const endpoint = value<string | undefined>(`${prefix}_ENDPOINT`)
  const region = value<string | undefined>(`${prefix}_REGION`)
  const buckets = value<string[] | undefined>(`${prefix}_BUCKETS`)
  const keyId = value<string | undefined>(`${prefix}_KEY_ID`)
  const secretFile = value<string | undefined>(`${prefix}_SECRET_FILE`)
  if (!endpoint || !region || !buckets || !keyId || !secretFile) {
    problems.push(
      `YINXIN_STORAGE_DRIVER=s3 needs ${prefix}_ENDPOINT, ${prefix}_REGION, ${prefix}_BUCKETS, ${prefix}_KEY_ID and ${prefix}_SECRET_FILE`,
    )
    return undefined
  }
  if (buckets.length !== 1 && new Set(buckets).size !== 3)
    problems.push(`${prefix}_BUCKETS must name one bucket or three different ones`)
  const path = (value<string | undefined>(`${prefix}_PREFIX`) ?? '').replace(/^\/+|\/+$/g, '')
  return {
    site,
    endpoint,
    region,
    buckets,
    prefix: path === '' ? '' : `${path}/`,
    keyId,
    secretFile: resolve(secretFile),
    pathStyle: value(`${prefix}_PATH_STYLE`),
  }
}

function readAlerts(value: Value, problems: string[]): Config['alerts'] {
  const urls = value<string[] | undefined>('YINXIN_ALERT_DINGTALK_URLS') ?? []
  const secrets = value<string[] | undefined>('YINXIN_ALERT_DINGTALK_SECRETS') ?? []
  if (secrets.length !== 0 && secrets.length !== urls.length)
    problems.push('YINXIN_ALERT_DINGTALK_SECRETS must name one secret, or -, for each robot')
  const webhookUrl = value<string | undefined>('YINXIN_ALERT_WEBHOOK_URL')
  const webhookSecret = value<string | undefined>('YINXIN_ALERT_WEBHOOK_SECRET')
  if ((webhookUrl === undefined) !== (webhookSecret === undefined))
    problems.push('YINXIN_ALERT_WEBHOOK_URL and YINXIN_ALERT_WEBHOOK_SECRET are set together')
  return {
    robots: urls.map((url, index) => {
      const secret = secrets[index]
      return { url, secret: secret === '-' ? undefined : secret }
    }),
    keyword: value('YINXIN_ALERT_DINGTALK_KEYWORD'),
    mail: value<string[] | undefined>('YINXIN_ALERT_MAIL') ?? [],
    sms: value<string[] | undefined>('YINXIN_ALERT_SMS') ?? [],
    webhook: webhookUrl && webhookSecret ? { url: webhookUrl, secret: webhookSecret } : undefined,
    heartbeatUrl: value('YINXIN_ALERT_HEARTBEAT_URL'),
  }
}

function readGateway(prefix: 'YINXIN_SMS' | 'YINXIN_IDENTITY', value: Value, problems: string[]) {
  const url = value<string | undefined>(`${prefix}_URL`)
  if (url === undefined) return undefined
  const keyId = value<string | undefined>(`${prefix}_KEY_ID`)
  const secret = value<string | undefined>(`${prefix}_SECRET`)
  if (!keyId || !secret) {
    problems.push(`${prefix}_URL needs ${prefix}_KEY_ID and ${prefix}_SECRET`)
    return undefined
  }
  const algorithm = value<GatewaySetting['algorithm']>(`${prefix}_ALGORITHM`)
  return { url, keyId, secret, algorithm, timeoutMs: value<number>(`${prefix}_TIMEOUT_MS`) }
}

function checkProduction(config: Config, problems: string[]): void {
  if (!config.baseUrl.startsWith('https://') && !config.allowSimulators) {
    problems.push('YINXIN_BASE_URL must be https:// in production')
  }
  if (config.allowSimulators) return
  const needed: [string, unknown][] = [
    ['YINXIN_SMTP_URL', config.mail],
    ['YINXIN_SMS_URL', config.sms],
    ['YINXIN_IDENTITY_URL', config.identityBureau],
    ['YINXIN_CA_ORGANIZATION', config.caOrganization],
  ]
  for (const [name, present] of needed) {
    if (!present)
      problems.push(
        `${name} must be set in production: a simulator or a development authority would take its place`,
      )
  }
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way === '' || (way.split(sep)[0] !== '..' && !isAbsolute(way))
}
