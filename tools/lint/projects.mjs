/** The workspace's projects as their package.json files describe them, for the lint rules. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

/**
 * @typedef {{ directory: string, name: string, tags: string[], dependencies: string[] }} Project
 *   `directory` is relative to the root, with slashes.
 */

/** @returns {Project[]} every project under apps/ and libs/, tools and k8s */
export function readProjects(root) {
  const directories = ['apps', 'libs']
    .filter((group) => existsSync(path.join(root, group)))
    .flatMap((group) => readdirSync(path.join(root, group)).map((name) => `${group}/${name}`));
  return [...directories, 'tools', 'k8s']
    .filter((directory) => existsSync(path.join(root, directory, 'package.json')))
    .map((directory) => {
      const manifest = JSON.parse(readFileSync(path.join(root, directory, 'package.json'), 'utf8'));
      return {
        directory,
        name: manifest.name,
        tags: manifest.nx?.tags ?? [],
        dependencies: Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }),
      };
    });
}

/** @returns {string[]} the source globs of projects with one of the tags */
export function sourcesOf(projects, ...tags) {
  return projects
    .filter((project) => project.tags.some((tag) => tags.includes(tag)))
    .map(({ directory }) => `${directory}/**/*.ts`);
}
