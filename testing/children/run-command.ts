/** Runs the `yinxin` command of this clone as a child process, for tests that signal or kill it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

const COMMAND = join(import.meta.dirname, '../../apps/cli/src/main.ts')

export interface RunningCommand {
  child: ChildProcess
  stdout(): string
  stderr(): string
  /** Resolves once standard output matches; rejects with all that was said when the command ends before. */
  saw(pattern: RegExp): Promise<RegExpExecArray>
  /** Resolves to the exit code, or to the signal that ended it. */
  ended: Promise<number | NodeJS.Signals | null>
}

export interface RunOptions {
  /** `pipe` keeps standard input open until the test closes it. */
  stdin?: 'ignore' | 'pipe'
  /** Whom to run as; needs root. */
  user?: { uid: number; gid: number }
  /** Another clone's `main.ts`, or another program altogether. */
  program?: [string, ...string[]]
  cwd?: string
  /** Leads a process group of its own, as a shell's job does. */
  detached?: boolean
}

export function runCommand(
  args: string[],
  environment: Record<string, string>,
  options: RunOptions = {},
): RunningCommand {
  const [program, ...before] = options.program ?? [process.execPath, COMMAND]
  const child = spawn(program, [...before, ...args], {
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
    ...options.user,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    detached: options.detached ?? false,
  }) as ChildProcess & { stdout: Readable; stderr: Readable }
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const ended = once(child, 'close').then(
    ([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null,
  )
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    saw(pattern) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(stdout)
          if (match) resolve(match)
          return match !== null
        }
        if (look()) return
        child.stdout.on('data', look)
        ended.then((code) => {
          if (!look())
            reject(new Error(`ended with ${code} before it said ${pattern}:\n${stdout}\n${stderr}`))
        })
      })
    },
  }
}

/** Runs the command to its end. */
export async function yinxin(
  args: string[],
  environment: Record<string, string> = {},
): Promise<{ code: number | NodeJS.Signals | null; stdout: string; stderr: string }> {
  const ran = runCommand(args, environment)
  const code = await ran.ended
  return { code, stdout: ran.stdout(), stderr: ran.stderr() }
}
