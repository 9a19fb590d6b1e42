/** Who is told of an alert, over which channels (promises §5.3). */
import type { AlertEvent, AlertRow, ChannelName, DeliveryRow, OnCallRole, Severity } from './tables.ts'

export interface OnCall {
  role: OnCallRole
  person: string
  mobile: string | null
  mail: string | null
  lang: 'zh' | 'en'
}

export interface Audience {
  /** Channels that this installation has. */
  channels: ReadonlySet<ChannelName>
  /** Told at every level, beside those on call. */
  fixed: { mail: readonly string[]; sms: readonly string[] }
  /** On call at this moment. */
  onCall: readonly OnCall[]
}

export type Place = Pick<DeliveryRow, 'channel' | 'recipient' | 'lang' | 'mentions'>

const channelsOf: Record<Severity, readonly ChannelName[]> = {
  P1: ['dingtalk', 'sms', 'mail', 'webhook'],
  P2: ['dingtalk', 'mail', 'webhook'],
  P3: ['mail', 'webhook'],
}

const roles: readonly OnCallRole[] = ['primary', 'secondary', 'manager']

/** One place a channel and recipient. Level 0 is the primary; 1 adds the secondary, 2 the manager. */
export function audienceOf(
  { channels, fixed, onCall }: Audience,
  alert: Pick<AlertRow, 'rule' | 'severity' | 'subject'>,
  event: AlertEvent,
  level: number,
): Place[] {
  const isChannel = alert.rule === 'channel-failing'
  // A channel that fails cannot tell of itself; all the others do.
  const wanted = (isChannel ? channelsOf.P1 : channelsOf[alert.severity]).filter(
    (channel) => channels.has(channel) && !(isChannel && alert.subject === channel),
  )
  const called = onCall.filter(({ role }) => roles.indexOf(role) <= level)
  const places = new Map<string, Place>()
  const add = (
    channel: ChannelName,
    recipient: string,
    lang: 'zh' | 'en' = 'zh',
    mentions: string[] = [],
  ) => {
    const key = `${channel} ${recipient}`
    if (!places.has(key)) places.set(key, { channel, recipient, lang, mentions })
  }
  for (const channel of wanted) {
    if (channel === 'dingtalk') {
      const mentions = event === 'resolved' ? [] : called.flatMap(({ mobile }) => mobile ?? [])
      add(channel, '', 'zh', [...new Set(mentions)])
    } else if (channel === 'webhook') add(channel, '')
    else {
      for (const person of called) {
        const address = channel === 'mail' ? person.mail : person.mobile
        if (address !== null) add(channel, address, person.lang)
      }
      for (const address of fixed[channel]) add(channel, address)
    }
  }
  return [...places.values()]
}
