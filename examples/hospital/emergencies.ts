import { anyOf, type Rule } from "../src/answer/Rule.ts"

/** What an emergency gets, instead of any other answer. */
export const EMERGENCY_ANSWER =
  "This may be an emergency: call the emergency number 112 now, or go to the emergency department at once. Do not wait for an appointment. If somebody does not breathe, start chest compressions; 112 tells you how."

/** Begins every other answer of the hospital, as its telephone does: words that no rule knows are referred too. */
export const EMERGENCY_HEADER = "If this is an emergency, call 112 or come to the emergency department now."

/** By what is wrong; phrases are found at the beginning of a word, whatever ends it. */
const SIGNS: readonly (readonly string[])[] = [
  // Heart
  [
    "chest pain",
    "(?:pain|pressure|tight\\w*|burning|stabbing) (?:on|in|around|behind) (?:my|the|his|her) (?:chest|breastbone|heart)",
  ],
  [
    "breastbone",
    "heart attack",
    "arm (?:went|is|feels|has gone) (?:dead|numb|weak|limp)",
    "heart (?:has )?stopped",
    "cardiac",
    "no pulse",
  ],
  // Breath
  [
    "(?:trouble|difficulty|problems?) breathing",
    "(?:cannot|can't|can not|could not|hardly|barely|struggl\\w+ to) (?:breathe?|speak|talk)",
  ],
  [
    "not breath",
    "(?:does not|doesn't|stopped|stops) breath",
    "short(?:ness)? of breath",
    "(?:gasp|chok|suffocat|drown|strangl)",
  ],
  [
    "(?:lips|face|baby|child|skin)(?: is| are| turn\\w*| went)?(?: all)? blue",
    "turning blue",
    "inhaled",
    "smoke",
    "(?:house|kitchen|flat) (?:fire|is on fire)",
  ],
  [
    "(?:fell|fallen) in(?:to)? (?:the|a) (?:pool|pond|water|lake|river)",
    "swallowed (?:a|the) (?:coin|battery|bone|marble|toy|magnet)",
  ],
  // Brain
  [
    "stroke",
    "slurred",
    "(?:talk|speak)\\w* (?:funny|strange\\w*|nonsense)",
    "(?:side|half|corner) of (?:his|her|my|the) (?:mouth|face)",
  ],
  [
    "face (?:droop|hang|is numb)",
    "numb face",
    "suddenly (?:blind|numb|confused|weak|paraly\\w+)",
    "suddenly (?:cannot|can't)",
    "worst headache",
  ],
  [
    "(?:cannot|can't) (?:move|lift|feel) (?:his|her|my|one|an|the) (?:arm|leg|side|hand)",
    "paraly",
    "does not move",
    "doesn't move",
    "not moving",
  ],
  [
    "unconscious",
    "passed out",
    "faint",
    "collaps",
    "(?:does|will|would|is) not (?:wake|waking|respond)",
    "(?:doesn't|won't|can't) (?:wake|be woken|respond)",
  ],
  ["cannot be woken", "unresponsive", "seizure", "convuls", "(?:having|had|has) a fit", "coma"],
  // Blood
  [
    "(?:heav|bad)(?:y|ily|ly) bleed",
    "bleed\\w* (?:heavily|badly|a lot|and|through)",
    "(?:won't|will not|does not|doesn't|not) stop bleeding",
    "bleeding (?:won't|will not|does not|doesn't)",
  ],
  [
    "blood (?:is |was |keeps )?(?:everywhere|spurt\\w*|gush\\w*|pour\\w*)",
    "gush",
    "spurt",
    "(?:vomit|cough|spit|spat|threw|throw)\\w* (?:up )?(?:\\w+ )?blood",
  ],
  ["cut off", "severed", "stab", "gunshot", "(?:was|been|got) shot", "knife", "impal", "deep (?:cut|wound)"],
  // Poison
  [
    "overdos",
    "poison",
    "carbon monoxide",
    "smell of gas",
    "(?:too many|too much) (?:pills|tablets|medicine|insulin|alcohol|of)",
  ],
  [
    "(?:swallowed|took|taken|ate|eaten|drank|drunk) (?:\\w+ ){0,4}(?:bleach|cleaner|detergent|acid|antifreeze|petrol|berries|mushrooms|box|bottle|pack|packet|pills)",
  ],
  ["(?:swallowed|took|taken|ate) \\d{2,}", "(?:took|taken|swallowed) (?:them )?all"],
  // Life not wanted
  [
    "suicid",
    "kill (?:my|him|her)self",
    "(?:do not|don't|no longer) want to (?:live|be alive|wake up|be here)",
    "want to die",
    "wants to die",
    "better off dead",
    "no reason to live",
  ],
  [
    "end (?:my|his|her) life",
    "end it all",
    "take (?:my|his|her) (?:own )?life",
    "(?:hurt|cut|harm)(?:s|ing)? (?:my|him|her)self",
    "(?:slit|cut)s? (?:my|his|her) (?:wrist|vein)",
  ],
  // Allergy, injury, birth, and what else people call by its name
  [
    "anaphyla",
    "allergic (?:reaction|shock)",
    "(?:throat|tongue|face|lips) (?:is |are |has |have )?(?:swell|swollen|clos)",
  ],
  [
    "(?:fell|fallen) (?:from|off|down|out)",
    "hit by a",
    "run over",
    "(?:car|bike|motorcycle|traffic) (?:crash|accident)",
    "head injury",
    "electr(?:ic shock|ocut)",
  ],
  [
    "(?:bad|severe|big|large|serious)(?:ly)? burn",
    "burn\\w* (?:badly|severely)",
    "boiling water",
    "scald",
    "bone (?:is |sticks |sticking )?(?:out|through)",
  ],
  [
    "waters? (?:has |have )?bro(?:ke|ken)",
    "contractions",
    "in labou?r",
    "baby is (?:coming|not moving)",
    "pregnan.{0,40}bleed",
    "bleed.{0,40}pregnan",
  ],
  [
    "stiff neck",
    "mening",
    "sepsis",
    "emergency",
    "dying",
    "ambulance",
    "life or death",
    "severe pain",
    "unbearable pain",
  ],
]

/**
 * What may be an emergency, by the words that people use. Rather too often than too rarely: a false alarm costs a sentence.
 *
 * No model is asked about these, so no model can say otherwise.
 */
export const EMERGENCIES: readonly Rule[] = SIGNS.map((phrases) => ({
  name: "emergency",
  pattern: anyOf(...phrases),
  answer: EMERGENCY_ANSWER,
}))
