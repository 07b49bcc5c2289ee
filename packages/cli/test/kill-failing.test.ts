import { container, event, nth, playKills, reported } from './kills.ts'

playKills('a live update that fails', {
  group: 'app',
  command: 'echo why; exit 3',
  ends: ['ERROR'],
  points: [
    { at: 'the rollback begins', fits: event('rolling-back') },
    { at: 'the last word is kept', fits: event('error') },
    { at: 'the old container starts again', fits: nth(2, container('STARTING')) },
    { at: 'ERROR', fits: reported('ERROR') },
  ],
})

playKills('an update with a restart that fails', {
  group: 'base',
  command: 'echo why; exit 3',
  ends: ['ERROR'],
  points: [
    { at: 'the rollback begins', fits: event('rolling-back') },
    { at: 'the end before the second restart', fits: nth(2, event('stopped')) },
    { at: 'the last word is kept', fits: event('error') },
    { at: 'ERROR', fits: reported('ERROR') },
  ],
})
