/** Runs the `yinxin` command of this clone as a child process, for tests that signal or kill it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

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

export function runCommand(args: string[], environment: Record<string, string>): RunningCommand {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
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
