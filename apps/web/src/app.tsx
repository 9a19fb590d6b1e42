import { useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useEffect, useRef } from 'react'
import { Route, Routes } from 'react-router'
import { Bones } from './design/notices.tsx'
import { useWords } from './words/words.tsx'

// The signer on a phone must not pay for the console, nor the clerk for the ceremony.
const CeremonyPage = lazy(() => import('./ceremony/ceremony.tsx').then((m) => ({ default: m.CeremonyPage })))
const LoginPage = lazy(() => import('./console/login.tsx').then((m) => ({ default: m.LoginPage })))
const VerifyPage = lazy(() => import('./console/verify.tsx').then((m) => ({ default: m.VerifyPage })))
const ServiceLevelPage = lazy(() =>
  import('./service-level/service-level.tsx').then((m) => ({ default: m.ServiceLevelPage })),
)
const Console = lazy(() => import('./console/console.tsx').then((m) => ({ default: m.Console })))

export function AppRoutes() {
  const { language } = useWords()
  const queries = useQueryClient()
  const shown = useRef(language)
  useEffect(() => {
    if (shown.current === language) return
    shown.current = language
    // Some texts come from the server in the language asked for: the consent, refusals, reports.
    void queries.invalidateQueries()
  }, [language, queries])
  return (
    <Suspense
      fallback={
        <div className="waiting-room">
          <Bones rows={4} height={28} />
        </div>
      }
    >
      <Routes>
        <Route path="/s/:token" element={<CeremonyPage />} />
        <Route path="/login" element={<LoginPage />} />
        <Route path="/verify" element={<VerifyPage />} />
        <Route path="/sla" element={<ServiceLevelPage />} />
        <Route path="/*" element={<Console />} />
      </Routes>
    </Suspense>
  )
}
