import { afterEach, beforeEach, expect, it } from 'vitest'
import { type MonitoringStage, openMonitoringStage } from '../../../../testing/monitoring-stage.ts'
import { newId } from '../ids.ts'
import { createIncidentCommands } from './incidents.ts'

let stage: MonitoringStage

beforeEach(async () => {
  stage = await openMonitoringStage()
})
afterEach(async () => stage.close())

const measureAll = async () => {
  for (const { id } of await stage.incidents.list({ limit: 10 })) await stage.incidents.measure(id)
}

it('is opened by a rule, graded by what it did, timed, resolved with its last alert, and closed with its post-mortem', async () => {
  const tenants = Array.from({ length: 4 }, () => newId())
  const commands = createIncidentCommands(stage.incidents)
  await stage.minute([], { tenants })
  await stage.minute(['backend', 'upload'], { tenants })
  await stage.minute(['backend', 'upload'], { tenants })
  await measureAll()
  const [open, ...others] = await stage.incidents.list({ limit: 10 })
  expect(others).toEqual([])
  expect(open).toMatchObject({
    number: 1,
    class: 'severe',
    services: ['backend', 'upload'],
    bad_minutes: 2,
    affected_tenants: 4,
    active_tenants: 4,
    published: true,
  })
  expect(open?.class_reasons.toSorted()).toEqual(['service_bad', 'tenants_affected'])
  // It began with the first bad minute, and was noticed when the second had ended.
  expect(open?.times.detectS).toBe(124)

  await stage.minute(['backend'], { tenants: tenants.slice(0, 1) })
  const alert = (await stage.monitoring.open()).find(({ service }) => service === 'backend')
  await stage.monitoring.acknowledge({ id: alert?.id ?? '' }, '张一')
  await expect(stage.incidents.resolve('1', '张一')).rejects.toMatchObject({ code: 'incident_alerts_firing' })
  await commands['incidents-note']({
    id: '1',
    textZh: '正在切换',
    textEn: 'switching over',
    public: true,
    by: '张一',
  })
  for (let i = 0; i < 8; i++) await stage.minute([], { tenants })
  await measureAll()
  const { incident, notes, tenants: touched } = await stage.incidents.story('1')
  expect(incident.times).toMatchObject({ detectS: 124, acknowledgeS: 60, resolveS: 244 })
  expect(notes.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining([
      'opened',
      'alert',
      'acknowledged',
      'update',
      'classified',
      'cleared',
      'resolved',
    ]),
  )
  expect(touched.filter(({ service }) => service === 'backend')).toHaveLength(4)
  const first = touched.find(({ tenant_id, service }) => tenant_id === tenants[0] && service === 'backend')
  expect(first?.failed).toBe(30)
  expect(await stage.incidents.ofTenant(tenants[0] ?? '')).toMatchObject([{ number: 1, failed: 50 }])
  expect(await stage.incidents.ofTenant(newId())).toEqual([])

  await expect(stage.incidents.close('1', '张一')).rejects.toMatchObject({ code: 'postmortem_incomplete' })
  await commands['incidents-note']({
    id: '1',
    kind: 'cause',
    textZh: '磁盘满',
    textEn: 'disk full',
    by: '张一',
  })
  await expect(stage.incidents.close('1', '张一')).rejects.toMatchObject({ code: 'postmortem_incomplete' })
  await commands['incidents-note']({
    id: '1',
    kind: 'action',
    textZh: '加告警',
    textEn: 'add an alert',
    by: '张一',
  })
  await stage.incidents.close('1', '张一')
  const { markdown } = await commands['incidents-report']({ id: '1', lang: 'en' })
  expect(markdown).toContain('| detected (MTTD) | 2026-11-24T02:03:04.000Z, 124 s |')
  expect(markdown).toContain('| tenants affected | 4 / 4 |')
  expect(markdown).toContain('- disk full（张一）')
  expect(markdown).toContain('/api/v1/runbooks/service-bad')
  expect(await stage.incidents.means(new Date(0))).toEqual({ count: 1, mttdS: 124, mttaS: 60, mttrS: 244 })

  // The public hears what was meant for it.
  const told = await stage.incidents.published('1')
  expect(told?.notes.map(({ kind }) => kind)).toEqual(['opened', 'update', 'resolved'])
})

it('of a disk is severe and not for the status page', async () => {
  stage.sources.storage = () => ({
    domains: [{ name: 'p1', site: 'primary', state: 'quarantined', reason: 'bad' }],
    writable: {},
    repairs: 0,
    removals: 0,
    freeBytes: [],
  })
  await stage.minute()
  const [one] = await stage.incidents.list({ limit: 10 })
  expect(one).toMatchObject({
    class: 'severe',
    class_reasons: ['integrity_touched'],
    published: false,
    services: [],
  })
  expect(await stage.incidents.published('1')).toBeUndefined()
  expect(await stage.incidents.listPublished({ open: false, limit: 10 })).toEqual([])
})

it('opened by an operator is general until figures or a person say otherwise, and its notes cannot be changed', async () => {
  const commands = createIncidentCommands(stage.incidents)
  const began = stage.house.clock.now().toISOString()
  const given = {
    titleZh: '一位用户无法打开链接',
    titleEn: 'a link does not open',
    began,
    by: '客服',
    services: ['backend'],
  }
  await expect(commands['incidents-open']({ ...given, titleEn: '' })).rejects.toMatchObject({
    code: 'incident_incomplete',
  })
  await expect(commands['incidents-open']({ ...given, began: 'yesterday' })).rejects.toMatchObject({
    code: 'incident_incomplete',
  })
  await expect(commands['incidents-open']({ ...given, services: ['mail'] })).rejects.toMatchObject({
    code: 'incident_incomplete',
  })
  expect(await commands['incidents-open'](given)).toMatchObject({ number: 1 })
  expect(await commands['incidents-open'](given)).toMatchObject({ number: 2 })
  await measureAll()
  expect((await stage.incidents.story('1')).incident).toMatchObject({ class: 'general', affected_tenants: 0 })
  await commands['incidents-classify']({ id: '1', class: 'severe', reason: '重要客户', by: '客服' })
  await measureAll()
  expect((await stage.incidents.story('1')).incident).toMatchObject({ class: 'severe', class_by: '客服' })
  await stage.incidents.resolve('1', '客服')
  await expect(stage.incidents.resolve('1', '客服')).rejects.toMatchObject({ code: 'incident_state' })
  await expect(stage.incidents.story('7')).rejects.toMatchObject({ code: 'incident_not_found' })
})
