/**
 * A lint rule: a project imports only packages which its own package.json lists. npm puts every package where every project can
 * import it; without this the arrows between projects would be whatever somebody happened to import.
 */
import { builtinModules } from 'node:module';
import path from 'node:path';
import { readProjects } from './projects.mjs';

function packageOf(specifier) {
  if (/^[./]|^node:/.test(specifier) || builtinModules.includes(specifier)) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

export const declaredDependencies = {
  meta: {
    type: 'problem',
    schema: [],
    messages: { undeclared: "{{project}} imports {{name}}, which {{manifest}} doesn't list under dependencies" },
  },
  create(context) {
    const file = path.relative(context.cwd, context.filename).split(path.sep).join('/');
    const project = readProjectsOnce(context.cwd).find(({ directory }) => file.startsWith(`${directory}/`));
    if (project === undefined) return {};
    const check = (source) => {
      const name = typeof source?.value === 'string' ? packageOf(source.value) : undefined;
      if (name === undefined || name === project.name || project.dependencies.includes(name)) return;
      const data = { project: project.name, name, manifest: `${project.directory}/package.json` };
      context.report({ node: source, messageId: 'undeclared', data });
    };
    return {
      ImportDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
    };
  },
};

const projectsByRoot = new Map();

function readProjectsOnce(root) {
  if (!projectsByRoot.has(root)) projectsByRoot.set(root, readProjects(root));
  return projectsByRoot.get(root);
}
