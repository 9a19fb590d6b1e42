import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { BrowserRouter } from 'react-router'
import { ApiProblem } from './api/client.ts'
import { AppRoutes } from './app.tsx'
import { CrashGuard } from './design/crash-guard.tsx'
import { ToastProvider } from './design/notices.tsx'
import { WordsProvider } from './words/words.tsx'
import './style/tokens.css'
import './style/base.css'
import './style/design.css'
import './style/page.css'
import './style/drawing.css'

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // Offline is said at once, never waited out in silence.
      networkMode: 'always',
      staleTime: 5_000,
      // A refusal does not change by asking again; a broken connection may.
      retry: (count, error) =>
        count < 2 && error instanceof ApiProblem && (error.status === 0 || error.status >= 502),
    },
    mutations: { networkMode: 'always' },
  },
})

const root = document.getElementById('root')
if (!root) throw new Error('index.html has no element #root')
createRoot(root).render(
  <StrictMode>
    <WordsProvider>
      <CrashGuard>
        <QueryClientProvider client={queries}>
          <ToastProvider>
            <BrowserRouter>
              <AppRoutes />
            </BrowserRouter>
          </ToastProvider>
        </QueryClientProvider>
      </CrashGuard>
    </WordsProvider>
  </StrictMode>,
)
