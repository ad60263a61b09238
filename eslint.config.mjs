import { builtinModules } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { declaredDependencies } from './tools/lint/declared-dependencies.mjs';
import * as determinism from './tools/lint/determinism.mjs';
import { readProjects, sourcesOf } from './tools/lint/projects.mjs';

const root = path.dirname(fileURLToPath(import.meta.url));
const projects = readProjects(root);

// Without a project graph that has been computed before, Nx's boundary rule lets everything pass and says nothing.
process.env.NX_DAEMON = 'false';
process.env.NX_NO_CLOUD = 'true';
process.env.NX_SKIP_NATIVE_FILE_CACHE = 'true';
// Its plugins run in this process: quicker, and no sockets.
process.env.NX_ISOLATE_PLUGINS = 'false';
const { createProjectGraphAsync } = await import('@nx/devkit');
await createProjectGraphAsync({ exitOnError: false });
const { default: nx } = await import('@nx/eslint-plugin');

/** Tests, and what only tests import. */
const TESTS = ['**/*.spec.ts', '**/*.fixture.ts'];
const FRAMEWORKS = ['@nestjs/*', 'typeorm', 'kafkajs', 'pg', 'pg-*', '@opentelemetry/*'];

/** The arrows of DESIGN section 3. */
const arrows = [
  {
    sourceTag: 'type:app',
    onlyDependOnLibsWithTags: [
      'type:app',
      'type:domain',
      'type:platform',
      'type:contract',
      'type:kernel',
      'type:testing',
    ],
  },
  {
    sourceTag: 'type:platform',
    onlyDependOnLibsWithTags: ['type:platform', 'type:domain', 'type:contract', 'type:kernel'],
  },
  {
    sourceTag: 'type:domain',
    onlyDependOnLibsWithTags: ['type:domain', 'type:kernel'],
    bannedExternalImports: FRAMEWORKS,
  },
  { sourceTag: 'type:contract', onlyDependOnLibsWithTags: ['type:contract', 'type:kernel'] },
  { sourceTag: 'type:kernel', onlyDependOnLibsWithTags: [], bannedExternalImports: ['*'] },
  {
    sourceTag: 'type:testing',
    onlyDependOnLibsWithTags: ['type:testing', 'type:platform', 'type:domain', 'type:contract', 'type:kernel'],
  },
  { sourceTag: '/^scope:(?!standalone$)/', notDependOnLibsWithTags: ['type:app'] },
  // Standalone's simulation, which is a program and no test; the manifests' certificates for one machine.
  { sourceTag: '/^scope:(?!standalone$|testing$|k8s$)/', notDependOnLibsWithTags: ['type:testing'] },
  { sourceTag: '/^scope:(?!bitcoin$|chain-simulator$)/', bannedExternalImports: ['bitcoinjs-lib', 'ecpair'] },
];

/** Tests may use whatever is needed to check their subject, but a test isn't a way around the walls between the apps. */
const arrowsOfTests = [
  { sourceTag: '*', onlyDependOnLibsWithTags: ['*'] },
  // Those of the manifests compare what they set with what every service reads.
  { sourceTag: '/^scope:(?!standalone$|k8s$)/', notDependOnLibsWithTags: ['type:app'] },
];

const boundaries = (depConstraints, ignoredCircularDependencies = []) => [
  'error',
  { depConstraints, ignoredCircularDependencies, allow: [] },
];

/** Libraries are tested with others that are built on them (.nxignore keeps such imports out of the graph). */
const anyCycle = projects.flatMap(({ name: one }) =>
  projects.filter(({ name: other }) => other !== one).map(({ name: other }) => [one, other]),
);

const TEST_CODE = { regex: '\\.(fixture|spec)\\.ts$', message: 'this is code for tests' };
const restrictedImports = (extra) => ['error', { paths: determinism.restrictedPaths, patterns: [TEST_CODE, ...extra] }];

const nodeModulesBanned = (except) => {
  const names = builtinModules.filter((name) => !name.startsWith('_'));
  return {
    regex: `^(?!${except}$)(node:.*|${names.map((name) => name.replace('/', '\\/')).join('|')})$`,
    message:
      "a domain is pure: it computes, and touches neither files nor the network (node:crypto's hashes are all it gets)",
  };
};

export default defineConfig(
  {
    ignores: [
      '**/node_modules/',
      '.nx/',
      '.install/',
      '.finality/',
      '**/dist/',
      'coverage/',
      'deploy/',
      'libs/contracts/src/generated/',
    ],
  },
  {
    linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' },
    plugins: { '@nx': nx, finality: { rules: { 'declared-dependencies': declaredDependencies } } },
  },
  js.configs.recommended,
  {
    files: ['**/*.ts', '**/*.mjs'],
    rules: {
      eqeqeq: 'error',
      'max-lines': ['error', 500],
      'max-lines-per-function': ['error', { max: 70, skipComments: true }],
      'max-params': ['error', 7],
      'no-var': 'error',
      'no-implicit-coercion': ['error', { boolean: false }],
      'no-param-reassign': 'error',
      'no-self-compare': 'error',
      'no-template-curly-in-string': 'error',
      'no-throw-literal': 'error',
      'no-unreachable-loop': 'error',
      'no-constant-condition': ['error', { checkLoops: false }],
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx', 'hack'] }],
      'object-shorthand': 'error',
      'prefer-const': 'error',
    },
  },
  { files: ['**/*.mjs'], rules: { 'no-undef': 'off' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strict],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    rules: {
      // The compiler finds what these look for.
      'no-undef': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // With noUncheckedIndexedAccess `bytes[i]!` inside a checked bound is the plain way to say it.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Nest's modules and controllers are classes which hold nothing but decorators.
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/unified-signatures': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      'no-restricted-syntax': [
        'error',
        { selector: 'TSEnumDeclaration', message: 'a union of literals says the same and leaves no code behind' },
        { selector: 'TSModuleDeclaration[kind="namespace"]', message: 'a module is a file' },
      ],
    },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts', 'k8s/**/*.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-globals': determinism.restrictedGlobals,
      'no-restricted-properties': determinism.restrictedProperties,
      'no-restricted-imports': restrictedImports([]),
    },
  },
  {
    files: sourcesOf(projects, 'type:domain'),
    rules: { 'no-restricted-imports': restrictedImports([nodeModulesBanned('(?:node:)?crypto')]) },
  },
  {
    files: sourcesOf(projects, 'type:kernel'),
    rules: { 'no-restricted-imports': restrictedImports([nodeModulesBanned('(?:node:)?crypto')]) },
  },
  {
    files: sourcesOf(projects, 'type:domain', 'type:kernel'),
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: 'TSEnumDeclaration', message: 'a union of literals says the same and leaves no code behind' },
        { selector: 'TSModuleDeclaration[kind="namespace"]', message: 'a module is a file' },
        { selector: 'TSParameterProperty', message: 'types here can be erased: declare the field' },
        { selector: 'Decorator', message: 'a domain knows no framework' },
      ],
    },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts', 'tools/**/*.ts', 'k8s/**/*.ts'],
    rules: { '@nx/enforce-module-boundaries': boundaries(arrows) },
  },
  { files: ['apps/**/*.ts', 'libs/**/*.ts'], ignores: TESTS, rules: { 'finality/declared-dependencies': 'error' } },

  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    ignores: TESTS,
    rules: {
      // `any` also comes from JSON.parse and from packages whose own types don't resolve (ecpair's): it must not reach money or keys.
      '@typescript-eslint/no-unsafe-argument': 'error',
      '@typescript-eslint/no-unsafe-assignment': 'error',
      '@typescript-eslint/no-unsafe-call': 'error',
      '@typescript-eslint/no-unsafe-member-access': 'error',
      '@typescript-eslint/no-unsafe-return': 'error',
    },
  },

  // Who may do what the rules above refuse.
  {
    files: ['apps/*/src/config.ts', 'libs/service/src/program/config.ts'],
    rules: { 'no-restricted-properties': determinism.restrictedPropertiesInConfig },
  },
  {
    files: ['libs/service/src/runtime/**/*.ts'],
    rules: {
      'no-restricted-globals': 'off',
      'no-restricted-properties': determinism.restrictedPropertiesInRuntime,
      'no-restricted-imports': 'off',
    },
  },
  // Passwords for one machine come from there; manifests never do.
  { files: ['k8s/src/main.ts'], rules: { 'no-restricted-imports': 'off' } },
  {
    files: ['libs/testing/**/*.ts', ...TESTS],
    rules: {
      // A `describe` is as long as what it describes.
      'max-lines-per-function': 'off',
      'no-restricted-globals': 'off',
      'no-restricted-properties': 'off',
      'no-restricted-imports': 'off',
    },
  },
  {
    files: TESTS,
    rules: { '@nx/enforce-module-boundaries': boundaries(arrowsOfTests, anyCycle) },
  },
);
