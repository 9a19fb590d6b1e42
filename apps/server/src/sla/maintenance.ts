/** Planned work: announced a day before or it is none, and never longer than announced (SLA 3.8 (3)). */
import { type MinuteRange, noticeMs, type SlaService } from '@yinxin/sla'
import type { Clock } from '#src/clock.ts'
import { newId } from '#src/ids.ts'
import { refuse } from './errors.ts'
import type { SlaStore, StoredWindow } from './store.ts'

export interface Announcement extends MinuteRange {
  services: SlaService[]
  textZh: string
  textEn: string
  by: string
}

export function createMaintenance({ store, clock }: { store: SlaStore; clock: Clock }) {
  return {
    /** @throws `maintenance_notice_short`, `sla_range_unreadable` */
    async announce(announcement: Announcement): Promise<{ id: string }> {
      const { from, to } = announcement
      if (!(to > from)) throw refuse('sla_range_unreadable')
      const at = clock.now()
      if (from * 60_000 - at.getTime() < noticeMs) throw refuse('maintenance_notice_short')
      const id = newId()
      await store.insertWindow({ ...announcement, id, at })
      return { id }
    },

    /** From now on the window is none; what lies before stays as it was. @throws `maintenance_not_found` */
    async withdraw(id: string, by: string): Promise<void> {
      if (!(await store.withdrawWindow(id, by))) throw refuse('maintenance_not_found')
    },

    /** Windows of the last 400 days and everything announced for later. */
    async list(): Promise<StoredWindow[]> {
      const now = Math.floor(clock.now().getTime() / 60_000)
      return await store.windows({ from: now - 400 * 1440, to: 2_147_483_647 })
    },
  }
}
