/**
 * The live topic on which a broker says, after the commit, that dead letters have come: an empty
 * frame for one or many, of whatever queue. Who hears it asks `deadLetters` for what is new.
 */
export const deadLetterTopic = "_dead";
