/** Every rule by its name: how grave, for how long it must hold, what it is called. Its runbook has the same name. */
import type { SlaService } from '@yinxin/sla'
import type { Severity } from './tables.ts'

export interface Rule {
  severity: Severity
  /** Told only when it held for so long. */
  forMinutes: number
  zh: string
  en: string
  /** Contracts, keys, the log or somebody's security are touched: an incident of it is severe. */
  integrity?: true
  /** Opens an incident by itself. */
  incident?: true
}

export const rules = {
  'service-bad': {
    severity: 'P1',
    forMinutes: 0,
    zh: '服务不可用',
    en: 'Service unavailable',
    incident: true,
  },
  'signing-failing': {
    severity: 'P1',
    forMinutes: 0,
    zh: '签署或发证成功率低于 99%',
    en: 'Signing or certificates below 99 %',
    incident: true,
  },
  'minutes-unseen': { severity: 'P2', forMinutes: 0, zh: '没有测量数据', en: 'Nothing is measured' },
  'burn-fast': {
    severity: 'P1',
    forMinutes: 0,
    zh: '错误急剧增加',
    en: 'Errors burn the budget fast',
    incident: true,
  },
  'burn-slow': { severity: 'P2', forMinutes: 0, zh: '错误持续偏多', en: 'Errors burn the budget' },
  'burn-steady': { severity: 'P3', forMinutes: 0, zh: '错误长期偏多', en: 'Errors use up the budget' },
  'budget-half': {
    severity: 'P3',
    forMinutes: 0,
    zh: '本月宕机额度已用过半',
    en: 'Half of the budget of the month is spent',
  },
  'database-unreachable': {
    severity: 'P1',
    forMinutes: 0,
    zh: '数据库不可用',
    en: 'The database does not answer',
    incident: true,
  },
  'database-copy': {
    severity: 'P2',
    forMinutes: 3,
    zh: '数据库副本异常',
    en: 'A copy of the database does not follow',
  },
  'backup-old': {
    severity: 'P2',
    forMinutes: 0,
    zh: '数据库备份过期',
    en: 'A backup of the database is overdue',
  },
  'key-store': {
    severity: 'P1',
    forMinutes: 1,
    zh: '密钥库不可用',
    en: 'The key store does not answer',
    integrity: true,
    incident: true,
  },
  'storage-readonly': {
    severity: 'P1',
    forMinutes: 1,
    zh: '合同无法写入足够的副本',
    en: 'Storage cannot reach its quorum',
    integrity: true,
    incident: true,
  },
  'storage-quarantine': {
    severity: 'P2',
    forMinutes: 0,
    zh: '存储位置被隔离',
    en: 'A failure domain is quarantined',
    integrity: true,
    incident: true,
  },
  'storage-repairs': {
    severity: 'P2',
    forMinutes: 60,
    zh: '副本迟迟未补齐',
    en: 'Replicas wait to be repaired',
  },
  'disk-full': { severity: 'P2', forMinutes: 5, zh: '存储空间不足', en: 'A disk is filling up' },
  'certificate-expiring': {
    severity: 'P2',
    forMinutes: 0,
    zh: '平台证书即将到期',
    en: 'A certificate of the platform expires',
  },
  'queue-stuck': { severity: 'P2', forMinutes: 2, zh: '后台任务积压', en: 'Background work is stuck' },
  'jobs-given-up': {
    severity: 'P3',
    forMinutes: 0,
    zh: '有后台任务已放弃',
    en: 'Background work was given up',
  },
  'pool-exhausted': {
    severity: 'P2',
    forMinutes: 2,
    zh: '数据库连接用尽',
    en: 'The connections to the database are used up',
  },
  'measure-failing': { severity: 'P2', forMinutes: 3, zh: '监控读数失败', en: 'A measure cannot be read' },
  'channel-failing': { severity: 'P2', forMinutes: 0, zh: '告警通道故障', en: 'An alert channel fails' },
  'heartbeat-failing': {
    severity: 'P2',
    forMinutes: 0,
    zh: '心跳无法送达',
    en: 'The heartbeat does not arrive',
  },
  'roster-gap': { severity: 'P2', forMinutes: 0, zh: '值班表有空档', en: 'The on-call roster has a gap' },
} as const satisfies Record<string, Rule>

export type RuleName = keyof typeof rules

export const ruleOf = (name: RuleName): Rule => rules[name]

export function isRule(name: string): name is RuleName {
  return Object.hasOwn(rules, name)
}

/** True at the moment it is looked at. */
export interface Condition {
  rule: RuleName
  service: SlaService | null
  subject: string | null
  zh: string
  en: string
  /** Graver than the rule says. */
  severity?: Severity
}

export const keyOf = ({ rule, service, subject }: Pick<Condition, 'rule' | 'service' | 'subject'>) =>
  [rule, service, subject].filter((part) => part !== null).join(':')
