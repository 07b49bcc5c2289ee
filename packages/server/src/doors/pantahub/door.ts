/**
 * The Pantahub door: what unmodified pvr clients and Pantavisor devices talk to.
 *
 * A table of routes (`routes.ts`), handlers by section, and one dispatcher that lets callers in, speaks each mount's
 * dialect and tells refusals (`dispatch.ts`, `errors.ts`). The door decides nothing about devices and trails: that is
 * the domain's, reached through the house.
 */
import type { Door } from '../../house.ts'
import { StartFailure } from '../../serve.ts'
import { accessTokenHandlers } from './access-tokens.ts'
import { accountHandlers } from './accounts.ts'
import type { Handlers } from './answer.ts'
import { appHandlers } from './apps.ts'
import { certificateHandlers } from './certificates.ts'
import { changeHandlers } from './changes.ts'
import { codeHandlers } from './codes.ts'
import { consentHandlers } from './consent.ts'
import { dashHandlers } from './dash.ts'
import { deviceChangeHandlers } from './device-changes.ts'
import { deviceReadHandlers } from './device-reads.ts'
import { openMounts } from './dispatch.ts'
import { exportHandlers } from './exports.ts'
import { byteHandlers } from './local-s3.ts'
import { loginHandlers } from './login.ts'
import { logHandlers } from './logs.ts'
import { metadataHandlers } from './metadata.ts'
import { createObjectUrls } from './object-urls.ts'
import { objectHandlers } from './objects.ts'
import { openidHandlers } from './openid.ts'
import { type OpenidProvider, readProviders } from './openid-providers.ts'
import { createPollMemo } from './poll-memo.ts'
import { profileHandlers } from './profiles.ts'
import { recoveryHandlers } from './recovery.ts'
import { registerHandlers } from './register.ts'
import { serviceHandlers } from './service.ts'
import { stepChangeHandlers } from './step-changes.ts'
import { stepObjectHandlers } from './step-objects.ts'
import { stepReadHandlers } from './steps.ts'
import { summaryHandlers } from './summary.ts'
import { trailHandlers } from './trails.ts'

const minuteMs = 60_000

export const pantahubDoor: Door = async (http, house) => {
  const urls = createObjectUrls({
    key: house.keys.objectUrls,
    clock: house.clock,
    lifeMs: house.config.objectUrlLife * minuteMs,
    publicUrl: () => house.publicUrl(),
  })
  const memo = createPollMemo(house, house.config.database?.startsWith('postgres') ?? false)
  http.answerFirst(memo.answer)
  const codes = codeHandlers(house)
  const handlers: Handlers = {
    ...loginHandlers(house),
    ...accountHandlers(house),
    ...recoveryHandlers(house),
    ...accessTokenHandlers(house),
    ...appHandlers(house),
    ...codes,
    ...consentHandlers(house, codes),
    ...profileHandlers(house),
    ...certificateHandlers(house),
    ...openidHandlers(house, providersOf(house.config.openidProviders)),
    ...registerHandlers(house),
    ...deviceReadHandlers(house),
    ...deviceChangeHandlers(house),
    ...metadataHandlers(house),
    ...objectHandlers(house, urls),
    ...byteHandlers(house, urls),
    ...trailHandlers(house),
    ...stepReadHandlers(house, memo),
    ...stepChangeHandlers(house),
    ...stepObjectHandlers(house, urls),
    ...summaryHandlers(house),
    ...logHandlers(house),
    ...exportHandlers(house),
    ...dashHandlers(house),
    ...changeHandlers(house),
    ...serviceHandlers(house),
  }
  await openMounts(http, house, handlers)
}

function providersOf(file: string | undefined): readonly OpenidProvider[] {
  if (file === undefined) return []
  const read = readProviders(file)
  if (read.ok) return read.value
  const { thing, wanted, got } = read.refusal
  throw new StartFailure(`openid-providers: ${thing}: wanted ${wanted}, got ${got}`)
}
