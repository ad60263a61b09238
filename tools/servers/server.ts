/** A server that a person can have running beside the platform. Each command answers with what it has to say. */
export interface Server {
  up(say: (line: string) => void): Promise<string>;
  down(): Promise<string>;
  status(): Promise<string>;
}
