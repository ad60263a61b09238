/** How our TypeScript becomes JavaScript, for register.mjs and bundle.mjs alike; as in tsconfig.json, and vitest.config.ts hands the same to its plugin. */
export const translation = {
  swcrc: false,
  configFile: false,
  // The sources are beside us.
  inlineSourcesContent: false,
  module: { type: 'es6' },
  jsc: {
    target: 'es2024',
    keepClassNames: true,
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, verbatimModuleSyntax: true },
  },
};
