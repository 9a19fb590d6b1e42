/** What operators do about incidents, through their own door. */
import { type SlaService, slaServices } from '@yinxin/sla'
import type { OperatorCall } from '#src/operator-door.ts'
import { refuse } from './errors.ts'
import type { Incidents } from './incidents.ts'

type Options = Record<string, unknown>
type Call = Pick<OperatorCall, 'operator'>

const text = (given: unknown) => (typeof given === 'string' ? given.trim() : '')

/** Whoever gave the command with a key of their own is named by it, whatever the command says. */
const named = (options: Options, call?: Call) => call?.operator?.name ?? text(options.by)

const kinds = ['update', 'cause', 'action', 'lesson'] as const

export function createIncidentCommands(incidents: Incidents) {
  return {
    'incidents-list': async (options: Options) => ({
      incidents: await incidents.list({ limit: 200, open: options.all !== true }),
    }),
    'incidents-show': (options: Options) => incidents.story(text(options.id)),
    'incidents-open': async (options: Options, call?: Call) =>
      await incidents.open({
        titleZh: text(options.titleZh),
        titleEn: text(options.titleEn),
        services: readServices(options.services),
        integrity: options.integrity === true,
        published: options.internal !== true,
        // An unreadable time compares to nothing and is refused by the door.
        beganAt: new Date(text(options.began)),
        by: named(options, call),
      }),
    'incidents-note': async (options: Options, call?: Call) => {
      const kind = kinds.find((one) => one === (text(options.kind) || 'update'))
      if (kind === undefined) throw refuse('incident_incomplete')
      const words = { zh: text(options.textZh), en: text(options.textEn), by: named(options, call) }
      await incidents.write(text(options.id), kind, { ...words, public: options.public === true })
      return { written: true }
    },
    'incidents-classify': async (options: Options, call?: Call) => {
      const graded = text(options.class)
      if (graded !== 'general' && graded !== 'severe') throw refuse('incident_incomplete')
      await incidents.classify(text(options.id), graded, text(options.reason), named(options, call))
      return { class: graded }
    },
    'incidents-resolve': async (options: Options, call?: Call) => {
      await incidents.resolve(text(options.id), named(options, call))
      return { resolved: true }
    },
    'incidents-close': async (options: Options, call?: Call) => {
      await incidents.close(text(options.id), named(options, call))
      return { closed: true }
    },
    'incidents-report': async (options: Options) => ({
      markdown: await incidents.postMortem(text(options.id), options.lang === 'en' ? 'en' : 'zh'),
    }),
    'incidents-means': async (options: Options) => {
      const days = Number(options.days ?? 90)
      if (!(days > 0 && days <= 3650)) throw refuse('incident_incomplete')
      return await incidents.means(incidents.ago(days))
    },
  }
}

function readServices(given: unknown): SlaService[] {
  const names: unknown[] = Array.isArray(given) ? given : []
  const known = names.filter((name): name is SlaService => slaServices.some((one) => one === name))
  if (known.length !== names.length) throw refuse('incident_incomplete')
  return known
}
