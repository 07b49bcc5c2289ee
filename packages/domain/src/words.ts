/** Names for things nobody has named: short, plain English words, drawn with the randomness that is handed in. */
import type { Env } from './env.ts'

const manners =
  'able amber bold brave brisk calm clear clever cool crisp eager early fair fast fine firm fond frank free fresh gentle glad golden good grand green happy hardy honest humble jolly keen kind large light likely lively loyal lucky mellow merry mild modest neat nimble noble open patient plain polite proud quick quiet ready rosy round royal safe sharp silent simple smart smooth snug solid sound steady still stout strong sunny sure sweet swift tall tame tidy true trusty upright vivid warm whole wide wise witty young zesty'.split(
    ' ',
  )
const colours =
  'almond apple ash azure beige birch blue brass bronze brown cedar cherry chestnut clay cobalt copper coral cream crimson ebony fern flint ginger gold granite green grey hazel honey indigo ivory jade lemon lilac lime linen maple maroon mint moss navy oak ocean olive onyx orange peach pearl pine pink plum purple red rose ruby russet rust sage salmon sand scarlet silver slate snow steel straw tan teal umber velvet violet walnut wheat white willow yellow'.split(
    ' ',
  )
const animals =
  'badger bat bear beaver bee bison boar buck camel cat colt condor coot crab crane crow cub deer dove duck eagle eel egret elk ermine falcon fawn ferret finch fox frog gecko gibbon goat goose grouse gull hare hawk heron horse ibex ibis jay kestrel kite koala lamb lark lemur lion lizard llama lynx magpie marten mole moose moth mouse newt okapi orca oriole osprey otter owl ox panda parrot pigeon pika plover pony puffin puma quail rabbit raven robin rook salmon seal shrew skunk sloth snail sparrow stag stoat stork swan swift tapir tern tiger toad trout turtle vole weasel whale wolf wombat wren yak zebra'.split(
    ' ',
  )

const lowercase = 'abcdefghijklmnopqrstuvwxyz'
const alphanumeric = `${lowercase}0123456789`

/** Three words joined: `quiet_red_fox`, or `likely-creative-troll`'s kind with `-`. */
export function threeWords(env: Env, joint: '_' | '-'): string {
  return [manners, colours, animals].map((list) => pick(env, list)).join(joint)
}

/** What a device is called until it is claimed: `__unregistered__<word>_<10 letters>`. */
export function unregisteredNick(env: Env): string {
  return `${unregisteredPrefix}${pick(env, animals)}_${letters(env, lowercase, 10)}`
}
export const unregisteredPrefix = '__unregistered__'

/** A generated device secret: 15 characters of `[a-z0-9]`, 77 bits. */
export function generatedSecret(env: Env): string {
  return letters(env, alphanumeric, 15)
}

/** `count` letters, drawn evenly: bytes beyond the last whole multiple of the alphabet are drawn again. */
export function letters(env: Env, alphabet: string, count: number): string {
  const fair = 256 - (256 % alphabet.length)
  let text = ''
  while (text.length < count)
    for (const byte of env.random(count))
      if (byte < fair && text.length < count) text += alphabet.charAt(byte % alphabet.length)
  return text
}

function pick(env: Env, list: readonly string[]): string {
  const [high = 0, low = 0] = env.random(2)
  return list[(high * 256 + low) % list.length] ?? 'fox'
}

/** The type of devices that follow a trail: it needs no record. */
export const trailType = 'pantahub'
