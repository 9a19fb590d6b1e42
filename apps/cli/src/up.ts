import { parseArgs } from 'node:util'
import { buildWeb, ConfigError, readConfig, type Server, serveUntilSignal } from '@yinxin/server'

/** `yinxin up`: the whole platform in one process, until Ctrl-C. Settings come from the environment. */
export async function run(args: string[]): Promise<number> {
  try {
    parseArgs({ args, options: {} })
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n用法 · usage: yinxin up\n`)
    return 64
  }
  try {
    const config = readConfig(withDefaultLog())
    const webDir = await buildWeb({
      onBuild: () => process.stdout.write('首次构建页面 · building the pages\n'),
    })
    await serveUntilSignal(config, { webDir }, (server) => {
      process.stdout.write(welcome(server))
    })
  } catch (error) {
    process.stderr.write(`${error instanceof ConfigError ? error.message : describe(error)}\n`)
    return 1
  }
  process.stdout.write('已停止 · stopped\n')
  return 0
}

/** A person looks at this terminal: each request as a line of JSON would hide what matters. */
function withDefaultLog(): NodeJS.ProcessEnv {
  return { ...process.env, YINXIN_LOG_LEVEL: process.env.YINXIN_LOG_LEVEL ?? 'warn' }
}

function welcome({ url, config, app, recovered }: Server): string {
  const { developmentCa, simulators } = app.environment()
  const lines = [
    '',
    `  印信 Yinxin   ${url}`,
    `  数据 · data   ${config.dataDir}`,
    `  密钥 · keys   ${config.keyDir}（请单独备份 · back it up apart from the data）`,
  ]
  if (recovered)
    lines.push('  上次未正常停止，数据库已恢复 · the last run was killed; its database was recovered')
  if (developmentCa) lines.push('  开发用证书，无法律效力 · development certificates, without legal effect')
  if (simulators.length > 0) lines.push(`  模拟服务 · simulators: ${simulators.join(', ')}`)
  lines.push('', '  按 Ctrl-C 停止 · Ctrl-C stops it', '')
  return `${lines.join('\n')}\n`
}

function describe(error: unknown): string {
  return error instanceof Error ? `启动失败 · not started: ${error.message}` : String(error)
}
