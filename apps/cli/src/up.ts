import {
  buildWeb,
  ConfigError,
  type Demo,
  readConfig,
  type Server,
  seedDemo,
  serveUntilSignal,
} from '@yinxin/server'
import { command, EXIT, pad, readArguments } from './command.ts'

const usage = {
  zh: `用法：yinxin up [--lang zh|en]

启动整个平台（单进程），按 Ctrl-C 停止。设置来自环境变量，见 docs/reference/configuration.md。`,
  en: `usage: yinxin up [--lang zh|en]

Starts the whole platform in one process until Ctrl-C. Settings come from the environment, see
docs/reference/configuration.md.`,
}

export const run = command(usage, async (args, lang) => {
  readArguments(args, lang, {}, [])
  try {
    const config = readConfig(withDefaultLog())
    const webDir = await buildWeb({
      onBuild: () => process.stdout.write('首次构建页面 · building the pages\n'),
    })
    await serveUntilSignal(config, { webDir }, async (server) => {
      const demo = config.mode === 'production' ? null : await furnish(server)
      process.stdout.write(welcome(server, demo))
    })
  } catch (error) {
    process.stderr.write(`${error instanceof ConfigError ? error.message : describe(error)}\n`)
    return EXIT.bad
  }
  process.stdout.write('已停止 · stopped\n')
  return EXIT.good
})

/** The demo company is a courtesy: a platform with work to do starts without it, and says so. */
async function furnish(server: Server): Promise<Demo | null> {
  try {
    return await seedDemo(server.app)
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    process.stderr.write(`演示企业未建立 · the demo company was not made: ${problem}\n`)
    return null
  }
}

/** A person looks at this terminal: each request as a line of JSON would hide what matters. */
function withDefaultLog(): NodeJS.ProcessEnv {
  return { ...process.env, YINXIN_LOG_LEVEL: process.env.YINXIN_LOG_LEVEL ?? 'warn' }
}

function welcome({ url, config, app, recovered }: Server, demo: Demo | null): string {
  const { developmentCa, simulators } = app.environment()
  const lines = [
    '',
    `  ${pad('印信 Yinxin', 18)}${url}`,
    `  ${pad('数据 · data', 18)}${config.dataDir}`,
    `  ${pad('密钥 · keys', 18)}${config.keyDir}（请单独备份 · back it up apart from the data）`,
  ]
  if (recovered)
    lines.push('  上次未正常停止，数据库已恢复 · the last run was killed; its database was recovered')
  if (developmentCa) lines.push('  开发用证书，无法律效力 · development certificates, without legal effect')
  if (simulators.length > 0) lines.push(`  模拟服务 · simulators: ${simulators.join(', ')}`)
  if (demo !== null) lines.push('', ...introduction(url, demo))
  lines.push('', '  按 Ctrl-C 停止 · Ctrl-C stops it', '')
  return `${lines.join('\n')}\n`
}

/** Who is there to log in as, and what to do first. */
function introduction(url: string, { corp, admin, person, app }: Demo): string[] {
  const row = (label: string, text: string) => `  ${pad(label, 18)}${text}`
  return [
    row('登录 · log in', `${admin.login}   ${admin.name}，${corp.name} · company`),
    row('', `${person.login}   ${person.name}，个人 · person`),
    row('密码 · password', admin.password),
    row('应用 · app', `appId ${app.appId}   appSecret ${app.appSecret}`),
    '',
    row(
      '下一步 · next',
      `打开 ${url}，用 ${admin.login} 登录，在顶部换到企业，上传合同，发给 ${person.name}（${person.login}）签署`,
    ),
    row('', 'open it, log in, change to the company at the top, upload a contract and send it to the person'),
    row('', `验证码 · codes   ${url}/sandbox/outbox`),
  ]
}

function describe(error: unknown): string {
  return error instanceof Error ? `启动失败 · not started: ${error.message}` : String(error)
}
