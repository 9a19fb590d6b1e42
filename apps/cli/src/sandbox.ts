/** `yinxin sandbox`: a platform for an integrator's own tests that leaves nothing behind. */
import { type Demo, type Server, seedDemo, serveUntilSignal, toOpenId } from '@yinxin/server'
import { command, EXIT, type Lang, pad, readArguments } from './command.ts'
import { createThrowaway } from './throwaway.ts'

const usage = {
  zh: `用法：yinxin sandbox [--json] [--lang zh|en]

启动一个临时平台（空闲端口、临时目录、内置数据库），供集成测试使用；企业印章已授权免验证签。
短信与邮件进入本地发件箱，身份核验为模拟，证书无法律效力。

  --json   就绪时在标准输出打印一行 JSON，其余信息写到标准错误

标准输入关闭或收到 SIGTERM、Ctrl-C 时结束，并删除全部数据。`,
  en: `usage: yinxin sandbox [--json] [--lang zh|en]

Starts an ephemeral platform (free port, temporary folder, embedded database) for integration tests; the company's
seal is already granted for free signing. Messages go to a local outbox, identity checks are simulated, certificates
have no legal effect.

  --json   print one line of JSON on standard output when ready, everything else on standard error

Ends when standard input closes, on SIGTERM or Ctrl-C, and removes all its data.`,
}

export const run = command(usage, async (args, lang) => {
  const { values } = readArguments(args, lang, { json: { type: 'boolean' } }, [])
  const place = await createThrowaway('sandbox')
  try {
    await serveUntilSignal(
      place.config,
      { durableDatabase: false },
      async (server) => {
        const demo = await seedDemo(server.app)
        if (demo === null) throw new Error('a fresh sandbox could not be furnished')
        const facts = await sandboxFacts(server, demo)
        // In one write, so that a reader of the pipe never sees half a line.
        process.stdout.write(values.json ? `${JSON.stringify(facts)}\n` : readable(facts, demo, lang))
      },
      inputClosed(),
    )
  } finally {
    await place.remove()
    // An input that is still open would keep the process alive.
    process.stdin.destroy()
  }
  return EXIT.good
})

/** Whoever started the sandbox and is gone, by whatever end, has closed its side of the pipe. */
function inputClosed(): Promise<void> {
  return new Promise((resolve) => {
    process.stdin
      .once('end', resolve)
      .once('close', resolve)
      .once('error', () => resolve())
    process.stdin.resume()
  })
}

async function sandboxFacts({ url, app }: Server, { corp, seal, businessId, person, ...demo }: Demo) {
  return {
    baseUrl: url,
    fascUrl: `${url}/api/v5`,
    appId: demo.app.appId,
    appSecret: demo.app.appSecret,
    openCorpId: toOpenId(corp.id),
    corpName: corp.name,
    // Clients of the compatible interface keep the id of a seal in a number.
    sealId: await app.fasc.sealNumber(corp.id, seal.id),
    businessId,
    openUserId: toOpenId(person.personId),
    userName: person.name,
    outboxUrl: `${url}/sandbox/outbox`,
  }
}

function readable(facts: Awaited<ReturnType<typeof sandboxFacts>>, demo: Demo, lang: Lang): string {
  const zh = lang === 'zh'
  const rows: [string, string][] = [
    [zh ? '地址' : 'address', facts.baseUrl],
    [zh ? '兼容接口' : 'FASC API', facts.fascUrl],
    [zh ? '发件箱' : 'outbox', facts.outboxUrl],
    ['appId', facts.appId],
    ['appSecret', facts.appSecret],
    [zh ? '企业' : 'company', `${facts.corpName}  openCorpId ${facts.openCorpId}`],
    [zh ? '印章' : 'seal', `sealId ${facts.sealId}  businessId ${facts.businessId}`],
    [zh ? '个人' : 'person', `${facts.userName}  openUserId ${facts.openUserId}  ${demo.person.login}`],
  ]
  const lines = rows.map(([label, value]) => `  ${pad(label, 11)}${value}`)
  const title = zh ? '印信沙箱（数据在结束时删除）' : 'Yinxin sandbox (its data goes when it ends)'
  const end = zh ? '按 Ctrl-C 结束' : 'Ctrl-C ends it'
  return `\n  ${title}\n\n${lines.join('\n')}\n\n  ${end}\n\n`
}
