// kafkajs, driven by clients.py: a request a line on standard input, as JSON, and a reply a line on standard output. Bytes are Base64.
'use strict'
const readline = require('node:readline')
const { Kafka, CompressionTypes, CompressionCodecs, Partitioners, logLevel } = require('kafkajs')
const Cluster = require('kafkajs/src/cluster')
const Emitter = require('kafkajs/src/instrumentation/emitter')
const createSocketFactory = require('kafkajs/src/network/socketFactory')
const { createLogger, LEVELS } = require('kafkajs/src/loggers')
const createConsoleLogger = require('kafkajs/src/loggers/console')
const lz4 = require('lz4js')
const fzstd = require('fzstd')

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async () => { throw new Error('the frames of lz4js are not those that Java reads') },
  decompress: async buffer => Buffer.from(lz4.decompress(buffer)),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async () => { throw new Error('fzstd only decompresses') },
  decompress: async buffer => Buffer.from(fzstd.decompress(buffer)),
})
const CODECS = { none: 'None', gzip: 'GZIP', snappy: 'Snappy' }
const WAIT_MS = 30000

const decode = text => (text === null ? null : Buffer.from(text, 'base64'))
const encode = bytes => (bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString('base64'))
const client = request => new Kafka({ clientId: 'kafkajs', brokers: [request.bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 5, initialRetryTime: 50 } })

// What broke: the error that the server gave is behind those that say how often it was tried.
function failure(error) {
  let cause = error
  while (cause.cause || (cause.errors && cause.errors.length)) cause = cause.cause || cause.errors[0]
  if (typeof cause.code !== 'number') throw error
  return { error: cause.code, text: cause.message }
}

async function produce(request) {
  const producer = client(request).producer({ createPartitioner: Partitioners.DefaultPartitioner, ...request.config })
  await producer.connect()
  const results = []
  try {
    // A call of send() is a batch a partition, and the reply has the offset of the first record only: one record a call, unless it says otherwise.
    const step = request.batch || 1
    for (let i = 0; i < request.records.length; i += step) {
      const batch = request.records.slice(i, i + step)
      const messages = batch.map(r => {
        const headers = {}
        for (const [name, value] of r.headers) {
          headers[name] = name in headers ? [].concat(headers[name], decode(value)) : decode(value)
        }
        const message = { key: decode(r.key), value: decode(r.value), headers }
        if (r.partition !== null) message.partition = r.partition
        if (r.timestamp !== null) message.timestamp = String(r.timestamp)
        return message
      })
      try {
        const done = await producer.send({ topic: batch[0].topic, acks: -1, compression: CompressionTypes[CODECS[request.codec || 'none']], messages })
        for (const r of batch) {
          const found = done.find(d => r.partition === null || d.partition === r.partition)
          results.push({ partition: found.partition, offset: step === 1 ? Number(found.baseOffset) : null })
        }
      } catch (error) {
        for (const _ of batch) results.push(failure(error))
      }
    }
  } finally {
    await producer.disconnect()
  }
  return { results }
}

// Its consumer is always one of a group; groups_test.py has that. This is the layer below: its fetches, and its decoding of batches.
async function consume(request) {
  const logger = createLogger({ level: LEVELS.NOTHING, logCreator: createConsoleLogger })
  const cluster = new Cluster({
    logger, socketFactory: createSocketFactory(), brokers: [request.bootstrap], clientId: 'kafkajs', connectionTimeout: WAIT_MS, authenticationTimeout: WAIT_MS,
    reauthenticationThreshold: WAIT_MS, requestTimeout: WAIT_MS, metadataMaxAge: WAIT_MS, instrumentationEmitter: new Emitter(), retry: { retries: 5 },
    allowAutoTopicCreation: false, maxInFlightRequests: null, isolationLevel: 1,
  })
  const records = []
  try {
    await cluster.connect()
    await cluster.addTargetTopic(request.topic)
    const leader = cluster.findTopicPartitionMetadata(request.topic).find(p => p.partitionId === request.partition).leader
    const broker = await cluster.findBroker({ nodeId: String(leader) })
    const end = Date.now() + WAIT_MS
    let next = request.offset
    while (records.length < request.count && Date.now() < end) {
      const partitions = [{ partition: request.partition, fetchOffset: String(next), maxBytes: 1 << 20 }]
      const fetched = await broker.fetch({ maxWaitTime: 1000, minBytes: 1, maxBytes: 16 << 20, isolationLevel: 1, topics: [{ topic: request.topic, partitions }] })
      for (const m of fetched.responses[0].partitions[0].messages) {
        if (Number(m.offset) < next) continue // the whole batch comes
        const headers = Object.entries(m.headers).flatMap(([name, value]) => [].concat(value).map(v => [name, encode(v)]))
        records.push({ offset: Number(m.offset), key: encode(m.key), value: encode(m.value), headers, timestamp: Number(m.timestamp) })
        next = Number(m.offset) + 1
      }
    }
  } finally {
    await cluster.disconnect()
  }
  return { records }
}

// A member of a group until it has so many records; it commits what it got, and leaves.
async function group(request) {
  const consumer = client(request).consumer({ groupId: request.group, maxWaitTimeInMs: 100 })
  const records = []
  await consumer.connect()
  try {
    await consumer.subscribe({ topics: [request.topic], fromBeginning: true })
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, WAIT_MS)
      consumer.on(consumer.events.CRASH, event => reject(event.payload.error))
      consumer.run({
        autoCommit: false,
        partitionsConsumedConcurrently: 1,
        eachMessage: async ({ topic, partition, message }) => {
          if (records.length === request.count) return
          records.push({ partition, offset: Number(message.offset), value: encode(message.value) })
          await consumer.commitOffsets([{ topic, partition, offset: String(Number(message.offset) + 1) }])
          if (records.length === request.count) {
            clearTimeout(timer)
            resolve()
          }
        },
      }).catch(reject)
    })
  } finally {
    await consumer.disconnect()
  }
  return { records }
}

async function create(request) {
  const admin = client(request).admin()
  await admin.connect()
  try {
    const configEntries = Object.entries(request.settings).map(([name, value]) => ({ name, value: String(value) }))
    const topic = { topic: request.topic, numPartitions: request.partitions === null ? -1 : request.partitions, replicationFactor: -1, configEntries }
    // A topic that is there is no error to kafkajs: it says false.
    return { error: (await admin.createTopics({ waitForLeaders: true, topics: [topic] })) ? 0 : 36 }
  } catch (error) {
    return failure(error)
  } finally {
    await admin.disconnect()
  }
}

async function main() {
  const operations = { produce, consume, group, create }
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let reply
    try {
      const request = JSON.parse(line)
      reply = await operations[request.op](request)
    } catch (error) {
      reply = { failed: String(error.stack) }
    }
    process.stdout.write(JSON.stringify(reply) + '\n')
  }
}

main()
