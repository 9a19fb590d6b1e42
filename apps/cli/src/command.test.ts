import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runCommand } from '../../../testing/children/run-command.ts'
import { type Lang, readArguments, UsageError } from './command.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'yinxin-command-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const options = { months: { type: 'string' }, json: { type: 'boolean' } } as const
const said = (lang: Lang, ...args: string[]) => {
  try {
    readArguments(args, lang, options, [])
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
  return undefined
}

it('wrong options are told in the language asked for', () => {
  const cases: [string[], string, string][] = [
    [['--foo'], '没有选项 --foo', 'no such option: --foo'],
    [['-x'], '没有选项 -x', 'no such option: -x'],
    [['--json=1'], '--json 不带值', '--json takes no value'],
    [['--months'], '--months 缺少值', '--months needs a value'],
    [
      ['--months', '-1'],
      '--months 缺少值；以 - 开头的值写作 --months=-…',
      '--months needs a value; one that',
    ],
  ]
  for (const [args, zh, en] of cases) {
    expect(said('zh', ...args)).toContain(zh)
    expect(said('en', ...args)).toContain(en)
  }
  expect(said('zh', '--months=-1', '--json')).toBeUndefined()
})

it('what restore and promote refuse is told in the language asked for, and ends with 2', async () => {
  const settings = {
    YINXIN_DATA_DIR: join(folder, 'data'),
    YINXIN_KEY_DIR: join(folder, 'keys'),
    YINXIN_KEYS_DB_DIR: join(folder, 'keysdb'),
  }
  const told = async (lang: string, ...args: string[]) => {
    const run = runCommand([...args, '--lang', lang], settings)
    return { code: await run.ended, stdout: run.stdout(), stderr: run.stderr() }
  }
  const restore = ['restore', '--to', join(folder, 'restored')]
  expect(await told('zh', ...restore)).toEqual({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining('main 数据库没有日志归档'),
  })
  expect(await told('en', ...restore)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('There is no log archive of the main database'),
  })
  expect(await told('zh', 'db', 'promote', '--stopped')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('从未启动过平台'),
  })
})
