import { container, event, playKills, reported } from './kills.ts'

playKills('a live update', {
  group: 'app',
  command: 'exec sleep 3600',
  ends: ['UPDATED', 'DONE', 'ERROR'],
  points: [
    { at: 'the step is taken', fits: event('step') },
    { at: 'QUEUED', fits: reported('QUEUED') },
    { at: 'what it needs is known', fits: event('needed') },
    { at: 'DOWNLOADING', fits: reported('DOWNLOADING') },
    { at: 'bytes have come', fits: event('downloading') },
    { at: 'INPROGRESS', fits: reported('INPROGRESS') },
    { at: 'the old container is stopping', fits: container('STOPPING') },
    { at: 'the new one is starting', fits: container('STARTING') },
    { at: 'the switch', fits: event('switched') },
    { at: 'the new one has started', fits: container('STARTED') },
    { at: 'TESTING', fits: reported('TESTING') },
    { at: 'the last word is kept', fits: event('done') },
    { at: 'the last word is said', fits: reported('UPDATED') },
  ],
})
