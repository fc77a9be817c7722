/** Returns whom a memory keeps: a user's name is the client's own, so two keys that say the same name mean two users. */
export const scopedUser = (key: string, user: string): string => `${key}/${user}`
