/** The `yinxin` command: finds the subcommand and leaves the rest to it. Each is loaded only when asked for. */

interface Command {
  summary: string
  /** Resolves to the exit code. */
  run(args: string[]): Promise<number>
}

/** Adding a command: one file that exports `run`, one line here. */
const commands: Record<string, Command> = {
  up: {
    summary: '启动平台 · start the platform',
    run: async (args) => (await import('./up.ts')).run(args),
  },
  verify: {
    summary: '验证 PDF 签名 · verify the signatures of a PDF',
    run: async (args) => (await import('./verify.ts')).run(args),
  },
  evidence: {
    summary: '离线验证证据包 · verify an evidence package offline',
    run: async (args) => (await import('./evidence.ts')).run(args),
  },
  pades: {
    summary: '直接对文件签名、验签、检查 · sign, verify and inspect files by hand',
    run: async (args) => (await import('./pades.ts')).run(args),
  },
  durability: {
    summary: '由 u、u′、w、n 计算持久性 · durability by the formula of the agreement',
    run: async (args) => (await import('./durability.ts')).run(args),
  },
  simulate: {
    summary: '蒙特卡罗检验持久性公式 · a Monte-Carlo check of the formula',
    run: async (args) => (await import('./simulate.ts')).run(args),
  },
  sla: {
    summary: '由每分钟记录重算可用性 · recompute availability from raw minutes',
    run: async (args) => (await import('./sla.ts')).run(args),
  },
  status: {
    summary: '将状态页导出为静态文件 · the status page as static files',
    run: async (args) => (await import('./status.ts')).run(args),
  },
  probe: {
    summary: '从别处走一笔真实交易并报告 · a real transaction from elsewhere, reported',
    run: async (args) => (await import('./probe.ts')).run(args),
  },
  alerts: {
    summary: '告警：查看、认领、通道、指标 · alerts: what fires, acknowledge, channels, metrics',
    run: async (args) => (await import('./monitoring.ts')).runAlerts(args),
  },
  oncall: {
    summary: '值班表与空档 · who is on call, and gaps',
    run: async (args) => (await import('./monitoring.ts')).runOnCall(args),
  },
  silence: {
    summary: '计划维护内的告警静默 · silences inside announced maintenance',
    run: async (args) => (await import('./monitoring.ts')).runSilence(args),
  },
  incidents: {
    summary: '故障：时间线、定级、复盘 · incidents: timeline, class, post-mortem',
    run: async (args) => (await import('./monitoring.ts')).runIncidents(args),
  },
  compensation: {
    summary: '赔偿：审核、认定、支付 · compensation: review, causes, offers, payment',
    run: async (args) => (await import('./compensation.ts')).run(args),
  },
  fsck: {
    summary: '核对存储、数据库与密钥 · compare storage, database and keys',
    run: async (args) => (await import('./storage-commands.ts')).runFsck(args),
  },
  scrub: {
    summary: '校验每一个副本 · verify every replica',
    run: async (args) => (await import('./storage-commands.ts')).runScrub(args),
  },
  repair: {
    summary: '立即修复副本 · repair replicas now',
    run: async (args) => (await import('./storage-commands.ts')).runRepair(args),
  },
  destruction: {
    summary: '销毁证明核验；法律保留、介质登记 · verify destruction; holds and media',
    run: async (args) => (await import('./destruction.ts')).run(args),
  },
  operator: {
    summary: '运营人员：密钥、双人确认、操作记录 · operators: keys, second persons, record',
    run: async (args) => (await import('./operator.ts')).run(args),
  },
  custody: {
    summary: '数据保管：现状、持久性报告 · custody: status, durability report',
    run: async (args) => (await import('./custody.ts')).run(args),
  },
  log: {
    summary: '透明日志：状态、恢复后继续 · transparency log: status, going on after a loss',
    run: async (args) => (await import('./log.ts')).run(args),
  },
  keys: {
    summary: '根密钥与期密钥：状态、更换 · root and epoch keys: status, rotate',
    run: async (args) => (await import('./keys.ts')).run(args),
  },
  db: {
    summary: '数据库副本：状态、切换、检查 · copies of the databases: status, promote, check',
    run: async (args) => (await import('./db.ts')).run(args),
  },
  backup: {
    summary: '数据库备份：立即、列出、核验 · backups of the databases: now, list, verify',
    run: async (args) => (await import('./backup.ts')).run(args),
  },
  restore: {
    summary: '恢复到某一时刻 · restore the databases as of a moment',
    run: async (args) => (await import('./backup.ts')).runRestore(args),
  },
  drill: {
    summary: '恢复演练 · restore drill',
    run: async (args) => (await import('./backup.ts')).runDrill(args),
  },
  export: {
    summary: '导出一家企业的全部数据 · export everything that a company owns',
    run: async (args) => (await import('./export.ts')).run(args),
  },
  import: {
    summary: '导入另一平台的导出 · take an export of another installation',
    run: async (args) => (await import('./import.ts')).run(args),
  },
  bundle: {
    summary: '离线验证数据导出 · verify a data export offline',
    run: async (args) => (await import('./bundle.ts')).run(args),
  },
  sandbox: {
    summary: '临时平台，供集成测试 · an ephemeral platform for integration tests',
    run: async (args) => (await import('./sandbox.ts')).run(args),
  },
  demo: {
    summary: '一份合同从上传到证据 · a contract from upload to evidence',
    run: async (args) => (await import('./demo.ts')).run(args),
  },
}

/** Wrong usage, as in sysexits.h. */
const EX_USAGE = 64

const [name = 'help', ...args] = process.argv.slice(2)
const command = commands[name]
if (command) {
  process.exitCode = await command.run(args)
} else {
  const asked = ['help', '--help', '-h'].includes(name)
  const out = asked ? process.stdout : process.stderr
  if (!asked) out.write(`没有命令 · no such command: ${name}\n\n`)
  out.write('用法 · usage: yinxin COMMAND [OPTIONS]\n\n')
  for (const [title, { summary }] of Object.entries(commands)) out.write(`  ${title.padEnd(12)} ${summary}\n`)
  process.exitCode = asked ? 0 : EX_USAGE
}
