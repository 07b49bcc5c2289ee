import { container, event, nth, playKills, reported } from './kills.ts'

playKills('an update with a restart', {
  group: 'base',
  command: 'exec sleep 3600',
  ends: ['DONE', 'ERROR'],
  points: [
    { at: 'DOWNLOADING', fits: reported('DOWNLOADING') },
    { at: 'bytes have come', fits: event('downloading') },
    { at: 'INPROGRESS', fits: reported('INPROGRESS') },
    { at: 'the end before the restart', fits: event('stopped') },
    { at: 'the new container is starting', fits: container('STARTING') },
    { at: 'the new container has started', fits: container('STARTED') },
    { at: 'it is being tried', fits: nth(2, reported('INPROGRESS')) },
    { at: 'TESTING', fits: reported('TESTING') },
    { at: 'the last word is kept', fits: event('done') },
    { at: 'the last word is said', fits: reported('DONE') },
  ],
})
