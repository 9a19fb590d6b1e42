/**
 * Whole contracts per second of the platform: upload → start → two free signatures of a company → evidence package,
 * every step durable (PostgreSQL with fsync, six replicas), over HTTP from another process.
 *
 * The floor is the sum of what one such contract cannot avoid, measured by itself in the same run:
 * - its cryptography: per signature a P-256 key, three P-256 signatures and SHA-256 of the file; one
 *   encryption and two hashes of the stored bytes; a checkpoint signature with its timestamp;
 * - its durable steps, one after the other, because each is acknowledged before the next begins.
 */
import { spawn } from 'node:child_process'
import { createCipheriv, createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drawSampleContract } from '../../apps/server/src/sandbox/sample-contract.ts'
import { openStage, type Stage, type StageCompany } from '../../testing/stage.ts'

const contracts = 160
const inFlight = 16

/**
 * Durable steps of one contract: the uploaded object and its row; the contract key, the frozen object and
 * the started task; for each of two signatures the intent, the signed delta and the final state; the
 * checkpoint that makes the evidence provable.
 */
const objectSyncs = 1 + 1 + 2
const commits = 1 + 2 + 2 * 2 + 1

export async function benchPlatform(): Promise<Record<string, number>> {
  const { url, stop } = await startPlatform()
  try {
    const stage = await openStage({ at: url })
    const corp = await stage.company('云杉科技（上海）有限公司')
    const pdf = await drawSampleContract({
      corpName: corp.name,
      personName: '林晓',
      number: 'YX-BENCH',
      date: '2026年11月24日',
    })
    const one = () => wholeContract(stage, corp, pdf)
    await inParallel(inFlight, inFlight * 2, one)
    const alone: number[] = []
    for (let round = 0; round < 12; round++) alone.push(await elapsedMs(one))
    const floorMs = await measureFloor(pdf)
    const totalMs = await elapsedMs(() => inParallel(inFlight, contracts, one))
    const perSecond = contracts / (totalMs / 1000)
    return {
      'platform.contractsPerSecond': perSecond,
      'platform.floorShare': (floorMs / 1000) * perSecond,
      'platform.floorMs': floorMs,
      'platform.aloneMs': alone.sort((a, b) => a - b)[alone.length >> 1] ?? Number.NaN,
    }
  } finally {
    await stop()
  }
}

async function wholeContract(stage: Stage, corp: StageCompany, pdf: Uint8Array): Promise<void> {
  const fileId = await stage.upload(corp.token, pdf)
  const refs = ['seller', 'witness']
  const task = await stage.createTask(corp.token, {
    documents: [{ ref: 'contract', fileId }],
    actors: refs.map((ref) => ({
      ref,
      kind: 'corp',
      role: 'sign',
      name: corp.name,
      subjectId: corp.corpId,
      freeSignBusinessId: corp.businessId,
    })),
    fields: refs.map((actorRef, i) => ({
      documentRef: 'contract',
      actorRef,
      kind: 'seal',
      position: { page: 2, x: 80 + i * 220, y: 120, width: 113, height: 113 },
    })),
    autoStart: true,
  })
  await stage.until(corp.token, task.id, ({ status }) => status === 'finished')
  const zip = await stage.download(`/api/v1/sign-tasks/${task.id}/evidence`, corp.token)
  if (zip.length < pdf.length) throw new Error('the evidence package is too small to hold the contract')
}

/** Unavoidable milliseconds of one contract, from medians of its parts. */
async function measureFloor(pdf: Uint8Array): Promise<number> {
  const cryptoMs = await medianMs(60, async () => {
    for (let signature = 0; signature < 2; signature++) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
      for (let i = 0; i < 3; i++) sign('sha256', pdf.subarray(0, 400), privateKey)
      createHash('sha256').update(pdf).digest()
      encrypted(pdf.subarray(0, 24_000))
    }
    // Uploaded and frozen: stored under two keys.
    for (let copy = 0; copy < 2; copy++) encrypted(pdf)
    const { privateKey } = checkpointKey
    sign(null, pdf.subarray(0, 100), privateKey)
    sign('sha256', pdf.subarray(0, 400), timestampKey.privateKey)
  })
  const folder = await mkdtemp(join(tmpdir(), 'yinxin-floor-'))
  const files = await Promise.all([0, 1, 2].map((n) => open(join(folder, String(n)), 'a')))
  const record = randomBytes(8192)
  try {
    const commitMs = await medianMs(60, async () => {
      await files[0]?.write(record)
      await files[0]?.datasync()
    })
    // The quorum of a signed object: two replicas here, one there, synced side by side.
    const objectMs = await medianMs(60, async () => {
      await Promise.all(
        files.map(async (file) => {
          await file.write(record)
          await file.datasync()
        }),
      )
    })
    return cryptoMs + objectSyncs * objectMs + commits * commitMs
  } finally {
    await Promise.all(files.map((file) => file.close()))
    await rm(folder, { recursive: true })
  }
}

const checkpointKey = generateKeyPairSync('ed25519')
const timestampKey = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })

function encrypted(bytes: Uint8Array): void {
  createHash('sha256').update(bytes).digest()
  const cipher = createCipheriv('aes-256-gcm', randomBytes(32), randomBytes(12))
  const sealed = cipher.update(bytes)
  cipher.final()
  createHash('sha256').update(sealed).digest()
}

async function startPlatform(): Promise<{ url: string; stop(): Promise<void> }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'platform-server.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (line: Buffer) => resolve(line.toString().trim()))
    child.once('exit', (code) => reject(new Error(`the platform did not start (${code})`)))
  })
  return {
    url,
    async stop() {
      child.stdin.end()
      await ended
    },
  }
}

async function inParallel(lanes: number, count: number, work: () => Promise<void>): Promise<void> {
  let left = count
  const lane = async () => {
    while (left-- > 0) await work()
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

async function elapsedMs(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

async function medianMs(rounds: number, work: () => Promise<void>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < rounds + 5; round++) {
    const ms = await elapsedMs(work)
    if (round >= 5) times.push(ms)
  }
  return times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN
}
