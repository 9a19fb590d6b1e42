import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { Me } from '@yinxin/sdk/wire'
import { type FormEvent, useState } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { call } from '../api/client.ts'
import { useEnvironment } from '../api/session.ts'
import { CodeField } from '../design/code-field.tsx'
import { Button, Segments, TextField } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { EnvironmentBand, ProblemNote } from '../design/notices.tsx'
import { useWords } from '../words/words.tsx'
import { readContact } from './contact.ts'
import '../style/console.css'

export function LoginPage() {
  const { t, language, setLanguage } = useWords()
  const environment = useEnvironment()
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [params] = useSearchParams()
  const [way, setWay] = useState<'code' | 'password'>('code')
  const [login, setLogin] = useState('')
  const [code, setCode] = useState('')
  const [password, setPassword] = useState('')
  const [sentAt, setSentAt] = useState<number | null>(null)
  const [tried, setTried] = useState(false)
  const known = readContact(login) !== null

  const send = useMutation({
    mutationFn: () => call('POST', '/login-codes', { body: { login: login.trim() } }),
    onSuccess: () => setSentAt(Date.now()),
  })
  const enter = useMutation({
    mutationFn: () =>
      call<{ token: string; me: Me }>('POST', '/sessions', {
        body: way === 'code' ? { login: login.trim(), code } : { login: login.trim(), password },
      }),
    onSuccess: (answer) => {
      queries.clear()
      queries.setQueryData(['me'], answer.me)
      const next = params.get('next') ?? '/'
      // Only a path of this site: a link must not carry people elsewhere after logging in.
      navigate(/^\/(?!\/)/.test(next) ? next : '/', { replace: true })
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setTried(true)
    if (known && (way === 'code' ? code.length === 6 : password)) enter.mutate()
  }
  return (
    <div className="login">
      <section className="login-side">
        <span className="brand">
          <i>印信</i>
          {t('product')}
        </span>
        <div>
          <p className="login-slogan">{t('loginSlogan')}</p>
          <ul>
            {([t('loginPoint1'), t('loginPoint2'), t('loginPoint3')] as const).map((point) => (
              <li key={point}>
                <Icon name="check" size={18} />
                {point}
              </li>
            ))}
          </ul>
        </div>
        <p className="muted small">Apache-2.0 · PAdES · RFC 3161</p>
      </section>
      <section className="login-main">
        <EnvironmentBand environment={environment.data} />
        <div className="row apart login-top">
          <span className="brand">
            <i>印信</i>
            {t('product')}
          </span>
          <Button look="quiet" slim icon="globe" onClick={() => setLanguage(language === 'zh' ? 'en' : 'zh')}>
            {t('language')}
          </Button>
        </div>
        <main>
          <h1>{t('loginTitle')}</h1>
          <p className="muted">{t('loginLead')}</p>
          <form className="stack" onSubmit={submit} noValidate>
            <Segments
              label={t('loginTitle')}
              value={way}
              onChange={setWay}
              options={[
                { value: 'code', label: t('loginByCode') },
                { value: 'password', label: t('loginByPassword') },
              ]}
            />
            <TextField
              label={t('loginName')}
              name="username"
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              value={login}
              error={tried && !known ? t('loginNameWrong') : undefined}
              onChange={(event) => setLogin(event.target.value)}
            />
            {way === 'code' ? (
              <CodeField
                value={code}
                onChange={setCode}
                sending={send.isPending}
                sentAt={sentAt}
                hint={sentAt ? t('codeSent') : undefined}
                onSend={() => {
                  setTried(true)
                  if (known) send.mutate()
                }}
              />
            ) : (
              <TextField
                label={t('password')}
                type="password"
                name="password"
                autoComplete="current-password"
                value={password}
                onChange={(event) => setPassword(event.target.value)}
              />
            )}
            <ProblemNote error={way === 'code' ? (send.error ?? enter.error) : enter.error} />
            <Button look="primary" type="submit" wide busy={enter.isPending}>
              {t('logIn')}
            </Button>
          </form>
          <p>
            <Link to="/verify">{t('goVerify')}</Link>
          </p>
        </main>
      </section>
    </div>
  )
}
