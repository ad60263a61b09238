/** What the module hands to handlers and workers. */
export const ISSUER_STORE = Symbol('IssuerStore');
export const ISSUER_READER = Symbol('IssuerReader');
export const AUTHENTICATOR = Symbol('Authenticator');
export const DERIVATIONS = Symbol('Derivations');
export const ISSUING = Symbol('Issuing');
export const DESTINATIONS = Symbol('Destinations');
export const REGISTRATION = Symbol('Registration');
