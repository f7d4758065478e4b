"""The week as people read it who run no code: one page of facts, words and pictures."""
