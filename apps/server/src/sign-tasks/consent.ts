import type { Lang } from '#src/notifications/notifications.ts'

export interface ConsentSubject {
  title: string
  documentCount: number
  actor: { kind: 'person' | 'corp'; name: string }
  signerName: string | null
}

/** The sentence a signer consents to; its hash goes into the record of the signature. */
export function consentText({ title, documentCount, actor, signerName }: ConsentSubject, lang: Lang): string {
  if (lang === 'en') {
    const who =
      actor.kind === 'corp' ? `${signerName ?? ''}, acting for ${actor.name},` : (signerName ?? actor.name)
    const files = documentCount === 1 ? 'the document' : `all ${documentCount} documents`
    return `I, ${who} have read ${files} of “${title}”, agree to its content, and sign it electronically with the one-time code. I know that this has the same effect as signing or sealing by hand.`
  }
  const who = actor.kind === 'corp' ? `${signerName ?? ''}（代表${actor.name}）` : (signerName ?? actor.name)
  return `本人${who}已阅读《${title}》的全部 ${documentCount} 份文档，同意其内容，并以验证码确认进行电子签署；本人知悉其与手写签名或者盖章具有同等法律效力。`
}
