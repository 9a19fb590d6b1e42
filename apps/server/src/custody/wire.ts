/** What the routes of this room say, as zod; `wire.test.ts` holds them to the published types. */
import { z } from 'zod'

const at = z.iso.datetime()
const site = z.enum(['primary', 'recovery'])
const count = z.number().int().min(0)
const shortcoming = z.object({ code: z.string(), zh: z.string(), en: z.string() })

export const copies = z.object({
  objects: count,
  destroyed: count,
  sites: z.array(
    z.object({
      site,
      copies: count,
      devices: count,
      sizeBytes: count,
      places: z.array(
        z.object({
          name: z.string(),
          device: z.string().nullable(),
          replicas: count,
          good: count,
          sizeBytes: count,
          verifiedAt: at.nullable(),
          freshness: z.enum(['fresh', 'new', 'stale', 'bad']),
        }),
      ),
    }),
  ),
  database: z
    .array(
      z.object({
        cluster: z.enum(['main', 'keys']),
        name: z.string(),
        site: z.enum(['primary', 'recovery', 'unknown']),
        role: z.enum(['primary', 'standby']),
        state: z.enum(['running', 'streaming', 'catching-up', 'making', 'down', 'missing', 'unknown']),
        lagBytes: z.number().nullable(),
        replayedAt: at.nullable(),
        device: z.string().nullable(),
      }),
    )
    .nullable(),
  drift: z.array(shortcoming),
  measuredAt: at,
})

const line = z.object({ limit: z.number(), met: z.boolean() })
const verdict = z.enum(['met', 'not_met'])

export const durabilityReport = z.object({
  format: z.literal('yinxin.durability-report/1'),
  measurements: z.object({
    month: z.string(),
    from: at,
    to: at,
    wholeMonth: z.boolean(),
    samples: count,
    devices: z.object({ failures: count, deviceMonths: z.number() }),
    repairs: z.object({
      count,
      p99Hours: z.number().nullable(),
      maxHours: z.number().nullable(),
      waiting: count,
    }),
    detectHours: z.number(),
    unverifiedHours: z.number().nullable(),
    sites: z.array(z.object({ site, devices: z.array(z.string()), w: count, n: count })),
    sitesApart: z.enum(['seen', 'declared', 'unknown']),
    exposure: z.object({ objectHours: z.number(), oneSiteHours: z.number() }),
    keyCopies: z
      .array(z.object({ name: z.string(), site: z.string(), device: z.string().nullable() }))
      .nullable(),
    rootKeyCopies: z.object({ copies: count, declared: z.boolean() }),
    objects: z.object({ heldWholePeriod: count, held: count, lost: count, comparedAt: at.nullable() }),
  }),
  assumptions: z.object({
    afr: z.number(),
    latentAfr: z.number(),
    repairHours: z.number(),
    siteLossPerYear: z.number(),
  }),
  failures: z.object({
    afr: z.number(),
    basis: z.enum(['measured', 'assumed']),
    measured: z.number().nullable(),
    lower: z.number(),
    upper: z.number().nullable(),
    assumed: z.number(),
  }),
  figures: z.object({
    u: z.number(),
    windowHours: z.number(),
    uPrime: z.number(),
    latentWindowHours: z.number(),
    latentUPrime: z.number(),
    bySite: z.array(
      z.object({
        site: z.string(),
        devices: count,
        w: count,
        n: count,
        loss: z.number(),
        nines: z.number().nullable(),
      }),
    ),
    disk: z.number(),
    latent: z.number(),
    site: z.number(),
    key: z.number(),
    rootKey: z.number(),
    model: z.number(),
    nines: z.number().nullable(),
    actual: z.number().nullable(),
  }),
  design: line,
  contract: line,
  verdict,
  reasons: z.array(shortcoming),
})

export const durabilityNow = z.object({ createdAt: at, report: durabilityReport })

export const reportSummary = z.object({
  month: z.string(),
  revision: count,
  createdAt: at,
  verdict,
  sha256: z.string(),
})
