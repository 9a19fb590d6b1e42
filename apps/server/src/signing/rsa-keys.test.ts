import { verifyPdf } from '@yinxin/pades'
import { keyFacts, parseCertificate, parsePem } from '@yinxin/pki'
import { expect, it } from 'vitest'
import { openStage } from '../../../../testing/stage.ts'
import { plainPdf } from '../../../../testing/fakes/pdfs.ts'

it('signs with RSA-2048 event keys where the installation asks for them', async () => {
  const stage = await openStage({ environment: { YINXIN_EVENT_KEYS: 'rsa2048' } })
  try {
    const corp = await stage.company('示例科技有限公司')
    const fileId = await stage.upload(corp.token, plainPdf())
    const task = await stage.createTask(corp.token, {
      documents: [{ ref: 'contract', fileId }],
      actors: [
        {
          ref: 'corp',
          kind: 'corp',
          role: 'sign',
          name: corp.name,
          subjectId: corp.corpId,
          freeSignBusinessId: corp.businessId,
        },
      ],
      autoStart: true,
    })
    const finished = await stage.until(corp.token, task.id, ({ status }) => status === 'finished')
    const signed = await stage.download(
      `/api/v1/sign-tasks/${task.id}/documents/${finished.documents[0]?.documentId}/content`,
      corp.token,
    )
    const root = await (await fetch(`${stage.url}/ca/root.pem`)).text()
    const report = verifyPdf(signed, { trust: parsePem(root, 'CERTIFICATE') })
    expect(report.ok).toBe(true)
    const [signature] = report.signatures
    expect(signature?.level).toBe('B-T')
    const [leaf] = signature?.certificates ?? []
    expect(keyFacts(parseCertificate(leaf ?? new Uint8Array()).spki)).toMatchObject({
      type: 'rsa',
      bits: 2048,
    })
  } finally {
    await stage.close()
  }
})
