import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ChildOrder } from './signing-child.ts'

export interface ChildServer {
  url: string
  /** Resolves when the child waits at its crash point. */
  reached: Promise<void>
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves when it has stopped by itself. */
  stop(): Promise<void>
}

/** Starts a server that can be killed like a machine that loses power. */
export async function startChildServer(order: ChildOrder): Promise<ChildServer> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'signing-child.ts'), JSON.stringify(order)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH ?? '' },
    },
  )
  let complaints = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    complaints += chunk.toString()
  })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  let tellReached = () => {}
  const reached = new Promise<void>((resolve) => {
    tellReached = resolve
  })
  const url = await new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const said = JSON.parse(line) as { url?: string; reached?: string }
      if (said.url !== undefined) resolve(said.url)
      if (said.reached !== undefined) tellReached()
    })
    child.once('exit', (code, signal) => {
      reject(new Error(`the child server ended with ${code ?? signal}: ${complaints}`))
    })
  })
  return { url, reached, kill: () => end(child, 'SIGKILL'), stop: () => end(child, 'SIGTERM') }
}

async function end(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}
