"""Does a thought cause the act? Log-probabilities of acts, and acts written anew, under other plans and thoughts."""
